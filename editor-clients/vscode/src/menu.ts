// What a click on the status bar offers.
import * as vscode from 'vscode';

interface Entry extends vscode.QuickPickItem {
  command: string;
}

export async function showMenu(on: boolean, language: string | undefined): Promise<void> {
  const picked = await vscode.window.showQuickPick(entries(on, language), { title: 'BudgetAI' });
  if (picked) {
    await vscode.commands.executeCommand(picked.command);
  }
}

function entries(on: boolean, language: string | undefined): Entry[] {
  const word = on ? 'off' : 'on';
  const switches = language
    ? [
        { label: `$(power) Turn ${word} in this file`, command: 'budgetai.toggleHere' },
        { label: `$(power) Turn ${word} for ${language}`, command: 'budgetai.toggleLanguage' },
      ]
    : [];
  return [
    ...switches,
    { label: '$(mortar-board) Train on this workspace', command: 'budgetai.train' },
    { label: '$(file-binary) Choose a model', command: 'budgetai.chooseModel' },
    { label: '$(layers) Choose an adapter', command: 'budgetai.chooseAdapter' },
    { label: '$(graph) Show the training report', command: 'budgetai.report' },
    { label: '$(checklist) Show what was accepted', command: 'budgetai.usage' },
    { label: '$(refresh) Restart the server', command: 'budgetai.restart' },
    { label: '$(output) Show the log', command: 'budgetai.log' },
  ];
}
