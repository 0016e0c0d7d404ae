// The one server of this window: found, started, stopped.
import * as vscode from 'vscode';
import { LanguageClient } from 'vscode-languageclient/node';
import { makeClient, Surroundings } from './client';
import { offer } from './environment';
import { find, surroundings } from './finding';

export class Server {
  client: LanguageClient | undefined;
  /** The program that was found. */
  file: string | undefined;
  private asked = false;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly around: Surroundings,
  ) {}

  async start(): Promise<void> {
    const found = find(this.context);
    this.file = 'file' in found ? found.file : undefined;
    if ('missing' in found) {
      this.around.bar.tell({ name: 'missing', message: found.missing });
      await this.ask(found.missing);
      return;
    }
    this.around.log.appendLine(`${found.file} (${found.from})`);
    this.client = makeClient(found.file, this.around);
    try {
      await this.client.start();
    } catch (error) {
      this.around.bar.tell({ name: 'error', message: `The server does not start: ${String(error)}` });
    }
  }

  async restart(): Promise<void> {
    this.around.backOff.reset();
    this.asked = false;
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    const old = this.client;
    this.client = undefined;
    await old?.dispose().catch(() => undefined);
  }

  /** Once a window, unless the user asks for a start. */
  private async ask(reason: string): Promise<void> {
    if (this.asked) {
      return;
    }
    this.asked = true;
    if (await offer(reason, surroundings(this.context), this.around.log)) {
      await this.start();
    }
  }
}
