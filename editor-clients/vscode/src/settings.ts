// The user's settings, as the server takes them.
import * as vscode from 'vscode';
import { FLAGS, SENT } from './options';

const SECTION = 'budgetai';

export function setting<T>(name: string, otherwise: T): T {
  return vscode.workspace.getConfiguration(SECTION).get<T>(name, otherwise);
}

export function change(name: string, value: unknown): Thenable<void> {
  return vscode.workspace.getConfiguration(SECTION).update(name, value, vscode.ConfigurationTarget.Global);
}

/** What someone has set; what nobody has set is the server's to choose. */
function chosen(name: string): unknown {
  const config = vscode.workspace.getConfiguration(SECTION);
  const found = config.inspect(name);
  const set = [found?.globalValue, found?.workspaceValue, found?.workspaceFolderValue];
  return set.some((value) => value !== undefined) ? config.get(name) : undefined;
}

export function initializationOptions(): Record<string, unknown> {
  const pairs = SENT.map((name) => [name, chosen(name)] as const);
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined && value !== ''));
}

export function flags(): string[] {
  return Object.entries(FLAGS).flatMap(([name, flag]) => {
    const value = chosen(name);
    if (value === undefined || value === '' || value === false) {
      return [];
    }
    return value === true ? [flag] : [`${flag}=${String(value)}`];
  });
}

/** Whether a change of settings needs a new server. */
export function concernsServer(event: vscode.ConfigurationChangeEvent): boolean {
  const names = ['serverPath', ...SENT, ...Object.keys(FLAGS)];
  return names.some((name) => event.affectsConfiguration(`${SECTION}.${name}`));
}
