// Train on this workspace, convert what was learned, and serve it.
import * as vscode from 'vscode';
import { beside } from './discovery';
import { folders, WINDOWS } from './finding';
import { runShown } from './programs';
import { Server } from './server';
import { setting } from './settings';

/** The exit codes after Ctrl-C, and where what was served before stays. */
const INTERRUPTED = 130;
const NOT_SERVED = 3;

export async function train(server: Server, log: vscode.OutputChannel): Promise<void> {
  const budget = setting('trainBudget', '15m');
  const title = `BudgetAI: training for ${budget}, then converting`;
  if (await done(server, 'budgetai-train', ['--budget', budget, '--convert'], title, log)) {
    await offer(server);
  }
}

export async function convert(server: Server, log: vscode.OutputChannel): Promise<void> {
  if (await done(server, 'budgetai-convert', [], 'BudgetAI: converting', log)) {
    await offer(server);
  }
}

async function offer(server: Server): Promise<void> {
  const load = 'Load it';
  if ((await vscode.window.showInformationMessage('BudgetAI has a new model.', load)) === load) {
    await server.restart();
  }
}

async function done(
  server: Server,
  name: string,
  more: readonly string[],
  title: string,
  log: vscode.OutputChannel,
): Promise<boolean> {
  const [folder] = folders();
  if (!folder || !server.file) {
    const why = folder ? 'BudgetAI finds no server.' : 'Open a folder first.';
    void vscode.window.showWarningMessage(why);
    return false;
  }
  const what = { file: beside(server.file, name, WINDOWS), args: ['--repo', folder, ...more], folder };
  const code = await runShown(what, title, log).then(undefined, (error: Error) => error.message);
  if (code === INTERRUPTED) {
    void vscode.window.showInformationMessage(`${name} was cancelled.`);
  } else if (code === NOT_SERVED) {
    const seen = 'Show why';
    const told = 'BudgetAI has a new model, which is not served: the one before stays.';
    void vscode.window.showInformationMessage(told, seen).then((chosen) => chosen && log.show());
  } else if (code !== 0) {
    log.show();
    void vscode.window.showErrorMessage(`${name} has not finished: see the log of BudgetAI.`);
  }
  return code === 0;
}
