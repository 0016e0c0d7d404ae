// Tells the server where the cursor stands, for which the protocol has no word: it reads ahead.
import * as vscode from 'vscode';
import { Server } from './server';

const QUIET = 150;
const SCHEMES = ['file', 'vscode-notebook-cell'];

export function tellCursor(server: Server): vscode.Disposable {
  let timer: NodeJS.Timeout | undefined;
  return vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => {
    clearTimeout(timer);
    if (!SCHEMES.includes(textEditor.document.uri.scheme)) {
      return;
    }
    timer = setTimeout(() => {
      const uri = textEditor.document.uri.toString();
      const { line, character } = textEditor.selection.active;
      const where = { textDocument: { uri }, position: { line, character } };
      void server.client?.sendNotification('budgetai/cursor', where).catch(() => undefined);
    }, QUIET);
  });
}
