// Choosing the GGUF file that is served.
import * as vscode from 'vscode';
import { change } from './settings';

export async function chooseModel(): Promise<void> {
  const newest = 'The newest of the workspace';
  const file = 'A GGUF file…';
  const answer = await vscode.window.showQuickPick([newest, file], { title: 'BudgetAI: model' });
  if (answer === newest) {
    await change('model', undefined);
  } else if (answer === file) {
    const [picked] = (await vscode.window.showOpenDialog({ filters: { 'GGUF models': ['gguf'] } })) ?? [];
    if (picked) {
      await change('model', picked.fsPath);
    }
  }
}
