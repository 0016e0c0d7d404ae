// Made by settings.py from the server's options.
/** Sent as initialization options. */
export const SENT: readonly string[] = [
  "model",
  "adapter",
  "adapterScale",
  "language",
  "latencyMs",
  "promptTokens",
  "answerTokens",
  "contextTokens",
  "sequences",
  "threads",
  "gpuLayers",
  "multiline",
  "speculate",
  "minConfidence",
  "inStrings",
  "inComments",
  "codeLens",
  "nextEdits",
  "midLine",
  "ignore",
  "usage"
];
/** Given on the command line: no workspace can set them. */
export const FLAGS: Readonly<Record<string, string>> = {
  "endpoint": "--endpoint",
  "endpointModel": "--endpoint-model",
  "endpointTimeout": "--endpoint-timeout",
  "tokenFile": "--token-file",
  "caFile": "--ca-file",
  "trustWorkspaceModel": "--trust-workspace-model",
  "logLevel": "--log-level"
};
