// The language client: made anew for each start, with what the extension adds on its way.
import * as vscode from 'vscode';
import { CloseAction, CloseHandlerResult, ErrorAction, LanguageClient, LanguageClientOptions } from 'vscode-languageclient/node';
import { BackOff } from './backoff';
import { flags, initializationOptions, setting } from './settings';
import { State } from './status';
import { StatusBar } from './statusBar';

// A cell of a notebook is a document of its own to the server.
const SCHEMES = ['file', 'untitled', 'vscode-notebook-cell'];

export interface Surroundings {
  log: vscode.LogOutputChannel;
  bar: StatusBar;
  backOff: BackOff;
  on: (document: vscode.TextDocument) => boolean;
}

export function makeClient(server: string, around: Surroundings): LanguageClient {
  const options = { ...clientOptions(around), initializationOptions: initializationOptions() };
  const run = { command: server, args: flags() };
  const client = new LanguageClient('budgetai', 'BudgetAI', run, options);
  client.onNotification('$/budgetai/state', (state: State) => around.bar.tell(state));
  return client;
}

function clientOptions(around: Surroundings): LanguageClientOptions {
  return {
    documentSelector: SCHEMES.map((scheme) => ({ scheme })),
    outputChannel: around.log,
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => closed(around),
    },
    middleware: {
      provideInlineCompletionItems: (document, position, context, token, next) =>
        around.on(document)
          ? around.bar.during(async () => next(document, position, context, token))
          : undefined,
      provideCompletionItem: (document, position, context, token, next) =>
        setting('list', false) && around.on(document) ? next(document, position, context, token) : undefined,
    },
  };
}

async function closed({ backOff, bar }: Surroundings): Promise<CloseHandlerResult> {
  const delay = backOff.next(Date.now());
  if (delay === undefined) {
    bar.tell({ name: 'error', message: 'The server has crashed too often. Restart it from the menu' });
    return { action: CloseAction.DoNotRestart, handled: true };
  }
  bar.tell({ name: 'starting', message: `The server has ended; it starts again in ${delay / 1000} s` });
  await new Promise((resolve) => setTimeout(resolve, delay));
  return { action: CloseAction.Restart, handled: true };
}
