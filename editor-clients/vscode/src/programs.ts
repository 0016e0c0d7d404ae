// Runs our other programs: their words go to the log, the newest to whoever shows progress.
import { spawn } from 'node:child_process';
import * as readline from 'node:readline';
import * as vscode from 'vscode';

export interface Run {
  file: string;
  args: readonly string[];
  folder?: string;
}

/** The exit code. Cancelling interrupts as Ctrl-C does: training then keeps what it has learned. */
export function run(
  what: Run,
  log: vscode.OutputChannel,
  tell: (words: string) => void,
  stop: vscode.CancellationToken,
): Promise<number> {
  log.appendLine(`> ${[what.file, ...what.args].join(' ')}`);
  const child = spawn(what.file, [...what.args], { cwd: what.folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const listening = stop.onCancellationRequested(() => child.kill('SIGINT'));
  for (const stream of [child.stdout, child.stderr]) {
    readline.createInterface({ input: stream }).on('line', (line) => {
      log.appendLine(line);
      if (line.trim()) {
        tell(line.trim());
      }
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      listening.dispose();
      resolve(code ?? 130);
    });
  });
}

/** Run with a notification that shows progress and can be cancelled. */
export function runShown(what: Run, title: string, log: vscode.OutputChannel): Thenable<number> {
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  return vscode.window.withProgress(options, (progress, stop) =>
    run(what, log, (words) => progress.report({ message: words }), stop),
  );
}
