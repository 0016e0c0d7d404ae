// What was shown and accepted in this workspace, as budgetai-eval tells it.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as vscode from 'vscode';
import { beside } from './discovery';
import { folders, WINDOWS } from './finding';
import { showPage } from './page';
import { Server } from './server';

export async function showUsage(server: Server): Promise<void> {
  const [folder] = folders();
  if (!folder || !server.file) {
    void vscode.window.showWarningMessage(folder ? 'BudgetAI finds no server.' : 'Open a folder first.');
    return;
  }
  const file = beside(server.file, 'budgetai-eval', WINDOWS);
  const work = promisify(execFile)(file, ['--repo', folder, '--usage']);
  const title = 'BudgetAI: usage';
  const location = vscode.ProgressLocation.Window;
  try {
    const { stdout } = await vscode.window.withProgress({ location, title }, () => work);
    showPage('budgetai.usage', 'BudgetAI usage', `<pre>${stdout.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</pre>`);
  } catch (error) {
    void vscode.window.showErrorMessage(`budgetai-eval has not finished: ${(error as Error).message}`);
  }
}
