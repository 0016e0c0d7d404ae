// Choosing the GGUF file or the bundle that is served.
import * as vscode from 'vscode';
import { change } from './settings';

export async function chooseModel(): Promise<void> {
  const newest = 'The newest of the workspace';
  const file = 'A GGUF file…';
  const bundle = 'The folder of a bundle…';
  const answer = await vscode.window.showQuickPick([newest, file, bundle], { title: 'BudgetAI: model' });
  if (answer === newest) {
    await change('model', undefined);
  } else if (answer) {
    const kind =
      answer === file ? { filters: { 'GGUF models': ['gguf'] } } : { canSelectFiles: false, canSelectFolders: true };
    const [picked] = (await vscode.window.showOpenDialog(kind)) ?? [];
    if (picked) {
      await change('model', picked.fsPath);
    }
  }
}
