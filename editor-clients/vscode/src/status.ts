// What the status bar says. Pure.

/** As the server says it in `$/budgetai/state`, and what only the extension knows. */
export type Name = 'starting' | 'ready' | 'no-model' | 'error' | 'missing';

export interface State {
  name: Name;
  message: string;
}

export interface Shown {
  text: string;
  tooltip: string;
  /** Whether it stands out. */
  warns: boolean;
}

const ICONS: Record<Name, string> = {
  starting: '$(loading~spin)',
  ready: '$(check)',
  'no-model': '$(circle-slash)',
  error: '$(error)',
  missing: '$(error)',
};

const WORDS: Record<Name, string> = {
  starting: 'starting',
  ready: 'ready',
  'no-model': 'no model',
  error: 'error',
  missing: 'no server',
};

export function shown(state: State, on: boolean, thinking: boolean): Shown {
  if (state.name === 'ready' && !on) {
    return { text: '$(mute) BudgetAI: off', tooltip: 'Off here. Click for the menu', warns: false };
  }
  const busy = state.name === 'ready' && thinking;
  const icon = busy ? '$(loading~spin)' : ICONS[state.name];
  const word = busy ? 'thinking' : WORDS[state.name];
  const warns = state.name === 'error' || state.name === 'missing';
  return { text: `${icon} BudgetAI: ${word}`, tooltip: state.message, warns };
}
