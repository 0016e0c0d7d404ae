// The item in the status bar: the state, whether it is on here, whether someone waits.
import * as vscode from 'vscode';
import { shown, State } from './status';

export class StatusBar {
  private readonly item = vscode.window.createStatusBarItem('budgetai', vscode.StatusBarAlignment.Right, 100);
  private waiting = 0;
  private state: State = { name: 'starting', message: 'BudgetAI is starting' };

  constructor(private readonly on: () => boolean) {
    this.item.name = 'BudgetAI';
    this.item.command = 'budgetai.menu';
    this.item.show();
    this.draw();
  }

  tell(state: State): void {
    this.state = state;
    this.draw();
  }

  /** Show that someone waits, as long as the work takes. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.waiting += 1;
    this.draw();
    try {
      return await work();
    } finally {
      this.waiting -= 1;
      this.draw();
    }
  }

  draw(): void {
    const now = shown(this.state, this.on(), this.waiting > 0);
    this.item.text = now.text;
    this.item.tooltip = now.tooltip;
    this.item.backgroundColor = now.warns ? new vscode.ThemeColor('statusBarItem.errorBackground') : undefined;
  }

  dispose(): void {
    this.item.dispose();
  }
}
