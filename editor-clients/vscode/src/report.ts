// The newest training report, which is a page without scripts.
import * as fs from 'node:fs/promises';
import * as vscode from 'vscode';
import { showPage } from './page';
import { Server } from './server';

export async function showReport(server: Server): Promise<void> {
  const status = await server.client?.sendRequest<{ report?: string | null }>('budgetai/status', {});
  if (!status?.report) {
    void vscode.window.showInformationMessage('There is no report yet: train on this workspace first.');
    return;
  }
  const page = await fs.readFile(status.report, 'utf8');
  showPage('budgetai.report', 'BudgetAI report', page);
}
