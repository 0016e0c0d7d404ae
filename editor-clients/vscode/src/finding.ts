// The server on this machine: the surroundings of `discovery`, as they are.
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { discover, Found, Surroundings, toolFolders } from './discovery';
import { setting } from './settings';

export const WINDOWS = process.platform === 'win32';

export function privateFolder(context: vscode.ExtensionContext): string {
  return path.join(context.globalStorageUri.fsPath, 'environment');
}

export function folders(): string[] {
  return (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath);
}

export function find(context: vscode.ExtensionContext): Found | { missing: string } {
  return discover(surroundings(context));
}

export function surroundings(context: vscode.ExtensionContext): Surroundings {
  return {
    setting: setting('serverPath', ''),
    folders: folders(),
    trusted: vscode.workspace.isTrusted,
    searchPath: process.env.PATH ?? '',
    toolFolders: toolFolders(process.env, os.homedir()),
    privateFolder: privateFolder(context),
    windows: WINDOWS,
    runs,
  };
}

function runs(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
