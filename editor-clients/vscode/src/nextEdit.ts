// The next edit: shown beside its lines; a key goes there, and makes it where the cursor is there.
import * as vscode from 'vscode';
import { isAt, Lines, Proposal, shownBehind, stands, words } from './proposal';
import { Server } from './server';

const CONTEXT = 'budgetai.nextEdit';
// The server waits until the keys have rested; this only keeps it from being asked at each.
const QUIET = 150;

export class NextEdits implements vscode.Disposable {
  private shown: Proposal | undefined;
  private timer: NodeJS.Timeout | undefined;
  private asked: vscode.CancellationTokenSource | undefined;
  private readonly gone = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor('diffEditor.removedTextBackground'),
  });
  private readonly come = vscode.window.createTextEditorDecorationType({
    after: { margin: '0 0 0 2em', color: new vscode.ThemeColor('editorGhostText.foreground') },
  });
  private readonly listening: vscode.Disposable;

  constructor(private readonly server: Server, private readonly on: (document: vscode.TextDocument) => boolean) {
    this.listening = vscode.Disposable.from(
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        // Another program may write the file that the edit is in.
        const concerned = document === vscode.window.activeTextEditor?.document || this.isShownIn(document);
        if (contentChanges.length && concerned) {
          this.clear();
          this.askSoon();
        }
      }),
      vscode.window.onDidChangeActiveTextEditor(() => {
        if (this.shown) {
          this.draw();
        } else {
          this.askSoon();
        }
      }),
    );
  }

  /** Go to the edit that is shown, or make it where the cursor is there. */
  async go(): Promise<void> {
    const { shown } = this;
    if (!shown) {
      return;
    }
    const { start, end } = shown.edit.range;
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(shown.edit.textDocument.uri));
    if (!stands(shown, linesOf(document))) {
      this.clear();
      return;
    }
    const current = vscode.window.activeTextEditor;
    if (current?.document !== document || !isAt(shown, current.selection.active.line, document.lineCount)) {
      const editor = await vscode.window.showTextDocument(document);
      const line = Math.min(start.line, document.lineCount - 1);
      const at = new vscode.Position(line, document.lineAt(line).firstNonWhitespaceCharacterIndex);
      editor.selection = new vscode.Selection(at, at);
      editor.revealRange(new vscode.Range(at, at), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
      this.draw();
      return;
    }
    this.clear();
    const change = new vscode.WorkspaceEdit();
    const range = new vscode.Range(start.line, start.character, end.line, end.character);
    change.replace(document.uri, range, shown.edit.text);
    if (await vscode.workspace.applyEdit(change)) {
      this.tell(shown.accepted, shown.number);
    }
  }

  /** Take the edit away for good. */
  dismiss(): void {
    const { shown } = this;
    this.clear();
    if (shown) {
      this.tell(shown.dismissed, shown.number);
    }
  }

  dispose(): void {
    this.clear();
    clearTimeout(this.timer);
    vscode.Disposable.from(this.listening, this.gone, this.come).dispose();
  }

  private askSoon(): void {
    clearTimeout(this.timer);
    this.asked?.cancel();
    this.timer = setTimeout(() => void this.ask(), QUIET);
  }

  private async ask(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    const { client } = this.server;
    if (!document || !client || document.uri.scheme !== 'file' || !this.on(document)) {
      return;
    }
    const { version } = document;
    const textDocument = { uri: document.uri.toString(), version };
    this.asked = new vscode.CancellationTokenSource();
    try {
      const { token } = this.asked;
      const answer = await client.sendRequest<Proposal | { edit: null }>('budgetai/nextEdit', { textDocument }, token);
      if (answer.edit && document === vscode.window.activeTextEditor?.document && document.version === version) {
        this.shown = answer as Proposal;
        this.draw();
      }
    } catch {
      // It was cancelled, or the server is not there: there is nothing to show.
    }
  }

  private draw(): void {
    const editor = vscode.window.activeTextEditor;
    this.undraw();
    if (!editor || !this.shown) {
      return;
    }
    void vscode.commands.executeCommand('setContext', CONTEXT, true);
    const first = this.shown.edit.range.start.line;
    if (!this.isShownIn(editor.document)) {
      const uri = vscode.Uri.parse(this.shown.edit.textDocument.uri);
      const name = `${vscode.workspace.asRelativePath(uri)}:${first + 1}`;
      editor.setDecorations(this.come, [behind(editor, editor.selection.active.line, `Next edit: ${name}`)]);
      return;
    }
    const { length } = this.shown.old;
    editor.setDecorations(this.gone, length ? [new vscode.Range(first, 0, first + length - 1, 0)] : []);
    editor.setDecorations(this.come, [behind(editor, shownBehind(this.shown), `→ ${words(this.shown)}`)]);
  }

  private isShownIn(document: vscode.TextDocument): boolean {
    const uri = this.shown && vscode.Uri.parse(this.shown.edit.textDocument.uri);
    return uri?.toString() === document.uri.toString();
  }

  private undraw(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      editor.setDecorations(this.gone, []);
      editor.setDecorations(this.come, []);
    }
  }

  private clear(): void {
    if (this.shown) {
      this.shown = undefined;
      this.undraw();
      void vscode.commands.executeCommand('setContext', CONTEXT, false);
    }
  }

  private tell(command: string, number: number): void {
    const params = { command, arguments: [number] };
    void this.server.client?.sendRequest('workspace/executeCommand', params).catch(() => undefined);
  }
}

function behind(editor: vscode.TextEditor, line: number, contentText: string): vscode.DecorationOptions {
  const { end } = editor.document.lineAt(Math.min(line, editor.document.lineCount - 1)).range;
  return { range: new vscode.Range(end, end), renderOptions: { after: { contentText } } };
}

function linesOf(document: vscode.TextDocument): Lines {
  const { version, lineCount } = document;
  return { version, lineCount, line: (number) => document.lineAt(number).text };
}
