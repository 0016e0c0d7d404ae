// The server, installed only when the user says so: by uv or pipx where they are, or into a private environment.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { installers, program, Surroundings } from './discovery';
import { Run, runShown } from './programs';
import { setting } from './settings';

const WINDOWS = process.platform === 'win32';

/** Ask, and do it. False where the user does not want it, or it fails. */
export async function offer(reason: string, around: Surroundings, log: vscode.OutputChannel): Promise<boolean> {
  const settings = 'Open settings';
  const ways = new Map<string, Run[]>();
  for (const installer of installers(around, setting('package', ''))) {
    ways.set(`Install with ${installer.name}`, [installer]);
  }
  ways.set('Make an environment', environment(around.privateFolder));
  const detail = 'BudgetAI can be installed as a program of yours, or into a Python environment of its own.';
  const answer = await vscode.window.showWarningMessage(`${reason}. ${detail}`, ...ways.keys(), settings);
  if (answer === settings) {
    await vscode.commands.executeCommand('workbench.action.openSettings', 'budgetai.serverPath');
  }
  const steps = ways.get(answer ?? '');
  return steps !== undefined && follow(steps, log);
}

function environment(folder: string): Run[] {
  const python = WINDOWS ? 'python' : 'python3';
  const inside = path.join(folder, WINDOWS ? 'Scripts' : 'bin', program('python', WINDOWS));
  return [
    { file: python, args: ['-m', 'venv', folder] },
    { file: inside, args: ['-m', 'pip', 'install', '--disable-pip-version-check', setting('package', '')] },
  ];
}

async function follow(steps: readonly Run[], log: vscode.OutputChannel): Promise<boolean> {
  for (const step of steps) {
    const code = await runShown(step, 'BudgetAI: making an environment', log).then(undefined, () => 1);
    if (code !== 0) {
      void vscode.window.showErrorMessage('BudgetAI could not be installed: see the log of BudgetAI.');
      log.show();
      return false;
    }
  }
  return true;
}
