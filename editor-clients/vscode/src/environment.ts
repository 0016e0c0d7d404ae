// A private Python environment with the server in it, made only when the user says so.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { program } from './discovery';
import { runShown } from './programs';
import { setting } from './settings';

const WINDOWS = process.platform === 'win32';

/** Ask, and make it. False where the user does not want it, or it fails. */
export async function offer(reason: string, folder: string, log: vscode.OutputChannel): Promise<boolean> {
  const make = 'Make an environment';
  const settings = 'Open settings';
  const detail = 'BudgetAI can make a Python environment of its own and install the server into it.';
  const answer = await vscode.window.showWarningMessage(`${reason}. ${detail}`, make, settings);
  if (answer === settings) {
    await vscode.commands.executeCommand('workbench.action.openSettings', 'budgetai.serverPath');
  }
  return answer === make && create(folder, log);
}

async function create(folder: string, log: vscode.OutputChannel): Promise<boolean> {
  const python = WINDOWS ? 'python' : 'python3';
  const inside = path.join(folder, WINDOWS ? 'Scripts' : 'bin', program('python', WINDOWS));
  const steps = [
    { file: python, args: ['-m', 'venv', folder] },
    { file: inside, args: ['-m', 'pip', 'install', '--disable-pip-version-check', setting('package', '')] },
  ];
  for (const step of steps) {
    const code = await runShown(step, 'BudgetAI: making an environment', log).then(undefined, () => 1);
    if (code !== 0) {
      void vscode.window.showErrorMessage('The environment could not be made: see the log of BudgetAI.');
      log.show();
      return false;
    }
  }
  return true;
}
