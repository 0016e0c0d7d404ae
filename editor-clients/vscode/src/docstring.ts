// Write the docstring of what the cursor is in, where the server offers that.
import * as vscode from 'vscode';

export async function writeDocstring(): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) {
    return;
  }
  const command = 'vscode.executeCodeActionProvider';
  const found = await vscode.commands.executeCommand<vscode.CodeAction[]>(
    command, editor.document.uri, editor.selection, undefined, 10,
  );
  const action = found.find((one) => one.title.endsWith('docstring'));
  if (!action) {
    void vscode.window.showInformationMessage('BudgetAI has no docstring to write here.');
    return;
  }
  if (action.edit) {
    await vscode.workspace.applyEdit(action.edit);
  }
  if (action.command) {
    await vscode.commands.executeCommand(action.command.command, ...(action.command.arguments ?? []));
  }
}
