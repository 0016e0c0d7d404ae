// Where the server is. Pure: the caller says what there is and what is trusted.
import * as path from 'node:path';

export interface Surroundings {
  /** The setting; empty where there is none. */
  setting: string;
  /** Folders of the workspace. */
  folders: readonly string[];
  /** Whether the user trusts the workspace. */
  trusted: boolean;
  /** The PATH of the environment. */
  searchPath: string;
  /** Where uv and pipx put programs: an editor that was not started in a shell may have a PATH without them. */
  toolFolders: readonly string[];
  /** The folder of the private environment. */
  privateFolder: string;
  windows: boolean;
  /** Whether a file is there and can be run. */
  runs: (file: string) => boolean;
}

export interface Found {
  file: string;
  from: 'setting' | 'workspace' | 'PATH' | 'tools' | 'private';
}

/** The server, or why there is none that may be used. */
export function discover(around: Surroundings): Found | { missing: string } {
  if (around.setting) {
    return fromSetting(around);
  }
  for (const [from, folders] of places(around)) {
    const files = folders.map((folder) => path.join(folder, program('budgetai-server', around.windows)));
    const file = files.find((one) => around.runs(one));
    if (file) {
      return { file, from };
    }
  }
  return { missing: 'BudgetAI finds no budgetai-server' };
}

function fromSetting(around: Surroundings): Found | { missing: string } {
  const { setting } = around;
  if (!path.isAbsolute(setting)) {
    return { missing: `budgetai.serverPath '${setting}' is no full path` };
  }
  if (!around.trusted && inside(setting, around.folders)) {
    return { missing: `${setting} lies in a workspace that is not trusted` };
  }
  return around.runs(setting)
    ? { file: setting, from: 'setting' }
    : { missing: `budgetai.serverPath '${setting}' is no program` };
}

function places(around: Surroundings): [Found['from'], string[]][] {
  const bin = around.windows ? 'Scripts' : 'bin';
  const own = around.folders.flatMap((folder) => ['.venv', 'venv'].map((name) => path.join(folder, name, bin)));
  const safe = outside(around, around.searchPath.split(path.delimiter));
  return [
    ['workspace', around.trusted ? own : []],
    ['PATH', safe],
    ['tools', outside(around, around.toolFolders)],
    ['private', [path.join(around.privateFolder, bin)]],
  ];
}

/** A PATH may lead into the workspace, and a cloned repository must not choose what is run. */
function outside(around: Surroundings, search: readonly string[]): string[] {
  const absolute = search.filter((folder) => path.isAbsolute(folder));
  return absolute.filter((folder) => around.trusted || !inside(folder, around.folders));
}

/** Where uv and pipx put programs, by what the environment says. */
export function toolFolders(environment: Record<string, string | undefined>, home: string): string[] {
  const named = ['UV_TOOL_BIN_DIR', 'PIPX_BIN_DIR', 'XDG_BIN_HOME'].map((name) => environment[name] ?? '');
  return [...named.filter((folder) => path.isAbsolute(folder)), path.join(home, '.local', 'bin')];
}

export interface Installer {
  name: 'uv' | 'pipx';
  file: string;
  args: string[];
}

/** The installers of programs that are here, and how each installs a package. */
export function installers(around: Surroundings, pkg: string): Installer[] {
  const folders = outside(around, [...around.searchPath.split(path.delimiter), ...around.toolFolders]);
  const ways = { uv: ['tool', 'install', pkg], pipx: ['install', pkg] };
  return (['uv', 'pipx'] as const).flatMap((name) => {
    const files = folders.map((folder) => path.join(folder, program(name, around.windows)));
    const file = files.find((candidate) => around.runs(candidate));
    return file ? [{ name, file, args: ways[name] }] : [];
  });
}

export function inside(file: string, folders: readonly string[]): boolean {
  return folders.some((folder) => {
    const way = path.relative(folder, file);
    return way === '' || (!way.startsWith('..') && !path.isAbsolute(way));
  });
}

export function program(name: string, windows: boolean): string {
  return windows ? `${name}.exe` : name;
}

/** Another of our programs, which stands beside the server. */
export function beside(server: string, name: string, windows: boolean): string {
  return path.join(path.dirname(server), program(name, windows));
}
