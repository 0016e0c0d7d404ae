// What the server answers to budgetai/nextEdit, and where it stands. Pure.

export interface Position {
  line: number;
  character: number;
}

export interface Proposal {
  edit: {
    textDocument: { uri: string; version: number | null };
    range: { start: Position; end: Position };
    text: string;
  };
  old: readonly string[];
  number: number;
  accepted: string;
  dismissed: string;
}

export interface Lines {
  version: number;
  lineCount: number;
  line(number: number): string;
}

/** Whether a document is still what a proposal was made for. */
export function stands(proposal: Proposal, document: Lines): boolean {
  const { version } = proposal.edit.textDocument;
  const first = proposal.edit.range.start.line;
  return (version === null || version === document.version)
    && proposal.old.every((line, at) => first + at < document.lineCount && document.line(first + at) === line);
}

/** Whether a cursor's line is one of those that would change. */
export function isAt(proposal: Proposal, line: number, lineCount: number): boolean {
  const first = Math.min(proposal.edit.range.start.line, lineCount - 1);
  return line >= first && line < first + Math.max(1, proposal.old.length);
}

/** The line behind which the new text is shown. */
export function shownBehind(proposal: Proposal): number {
  const first = proposal.edit.range.start.line;
  return proposal.old.length ? first + proposal.old.length - 1 : Math.max(0, first - 1);
}

/** The new text in one line, as it is shown; what a decoration would swallow is made visible. */
export function words(proposal: Proposal, longest = 160): string {
  const lines = proposal.edit.text.replace(/\r?\n$/, '').split(/\r?\n/);
  const text = lines.map((line) => line.trim()).join(' ⏎ ').trim();
  if (!text) {
    return 'delete';
  }
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}
