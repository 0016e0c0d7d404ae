// Wires the parts together. All that is said about code is said by the server.
import * as vscode from 'vscode';
import { chooseAdapter } from './adapter';
import { BackOff } from './backoff';
import { tellCursor } from './cursor';
import { writeDocstring } from './docstring';
import { showMenu } from './menu';
import { chooseModel } from './model';
import { NextEdits } from './nextEdit';
import { showReport } from './report';
import { Server } from './server';
import { change, concernsServer, setting } from './settings';
import { StatusBar } from './statusBar';
import { ByLanguage, Files, languageOn, toggled } from './switches';
import { convert, train } from './training';
import { showUsage } from './usage';

let server: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel('BudgetAI', { log: true });
  const files = new Files();
  const on = (document: vscode.TextDocument): boolean =>
    files.on(document.uri.toString(), languageOn(enabled(), document.languageId));
  const current = (): vscode.TextDocument | undefined => vscode.window.activeTextEditor?.document;
  const onHere = (): boolean => {
    const document = current();
    return document ? on(document) : true;
  };
  const bar = new StatusBar(onHere);
  const mine = new Server(context, { log, bar, backOff: new BackOff(), on });
  server = mine;
  const nextEdits = new NextEdits(mine, on);

  const commands: Record<string, () => unknown> = {
    menu: () => showMenu(onHere(), current()?.languageId),
    train: () => train(mine, log),
    convert: () => convert(mine, log),
    report: () => showReport(mine),
    usage: () => showUsage(mine),
    chooseModel,
    chooseAdapter: () => chooseAdapter(mine),
    docstring: writeDocstring,
    restart: () => mine.restart(),
    log: () => log.show(),
    toggleHere: () => {
      files.toggle(current()?.uri.toString() ?? '');
      bar.draw();
    },
    toggleLanguage: () => change('enable', toggled(enabled(), current()?.languageId ?? '*')),
    next: () => vscode.commands.executeCommand('editor.action.inlineSuggest.showNext'),
    nextEdit: () => nextEdits.go(),
    dismissNextEdit: () => nextEdits.dismiss(),
    previous: () => vscode.commands.executeCommand('editor.action.inlineSuggest.showPrevious'),
  };
  context.subscriptions.push(
    log,
    bar,
    ...Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(`budgetai.${name}`, run)),
    vscode.window.onDidChangeActiveTextEditor(() => bar.draw()),
    vscode.workspace.onDidGrantWorkspaceTrust(() => mine.restart()),
    vscode.workspace.onDidChangeConfiguration((event) => {
      bar.draw();
      if (concernsServer(event)) {
        void mine.restart();
      }
    }),
    tellCursor(mine),
    nextEdits,
  );
  await mine.start();
}

function enabled(): ByLanguage {
  return setting<ByLanguage>('enable', {});
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}
