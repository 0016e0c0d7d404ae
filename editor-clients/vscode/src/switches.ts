// Where completions are on. Pure, but for the files that are switched in this window.

export type ByLanguage = Readonly<Record<string, boolean>>;

export function languageOn(enable: ByLanguage, language: string): boolean {
  return enable[language] ?? enable['*'] ?? true;
}

/** The setting with a language the other way round. */
export function toggled(enable: ByLanguage, language: string): ByLanguage {
  return { ...enable, [language]: !languageOn(enable, language) };
}

/** Files that differ from what their language says, by their URI. */
export class Files {
  private readonly differ = new Set<string>();

  toggle(uri: string): void {
    if (!this.differ.delete(uri)) {
      this.differ.add(uri);
    }
  }

  on(uri: string, languageIsOn: boolean): boolean {
    return this.differ.has(uri) ? !languageIsOn : languageIsOn;
  }
}
