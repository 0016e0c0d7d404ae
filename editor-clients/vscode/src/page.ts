// A page beside the files, without scripts and without network.
import * as vscode from 'vscode';

export function showPage(kind: string, title: string, html: string): void {
  const panel = vscode.window.createWebviewPanel(kind, title, vscode.ViewColumn.Active, {
    enableScripts: false,
    localResourceRoots: [],
  });
  panel.webview.html = html;
}
