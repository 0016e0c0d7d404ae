// Choosing the adapter of the bundle that is served.
import * as vscode from 'vscode';
import { Server } from './server';
import { change } from './settings';

export async function chooseAdapter(server: Server): Promise<void> {
  const status = await server.client?.sendRequest<{ adapters?: string[] }>('budgetai/status', {});
  if (!status?.adapters?.length) {
    void vscode.window.showInformationMessage('The model that is served has no adapters: it is no bundle.');
    return;
  }
  const fitting = 'The one that fits the file';
  const base = 'None: its base alone';
  const answer = await vscode.window.showQuickPick([fitting, ...status.adapters, base], { title: 'BudgetAI: adapter' });
  if (answer) {
    await change('adapter', answer === fitting ? undefined : answer === base ? 'none' : answer);
  }
}
