import assert from 'node:assert/strict';
import * as path from 'node:path';
import { test } from 'node:test';
import { beside, discover, inside, installers, Surroundings, toolFolders } from '../src/discovery';

const ROOT = '/home/me/shop';
const OWN = `${ROOT}/.venv/bin/budgetai-server`;

function around(files: string[], more: Partial<Surroundings> = {}): Surroundings {
  return {
    setting: '',
    folders: [ROOT],
    trusted: true,
    searchPath: '/usr/bin:/opt/bin',
    toolFolders: ['/home/me/.local/bin'],
    privateFolder: '/home/me/.private',
    windows: false,
    runs: (file) => files.includes(file),
    ...more,
  };
}

const EVERYWHERE = [OWN, '/opt/bin/budgetai-server', '/home/me/.private/bin/budgetai-server', '/my/server'];

test('the setting goes first, then the workspace, the PATH, the private environment', () => {
  assert.deepEqual(discover(around(EVERYWHERE, { setting: '/my/server' })), { file: '/my/server', from: 'setting' });
  const left = EVERYWHERE.slice(0, 3);
  for (const from of ['workspace', 'PATH', 'private']) {
    assert.deepEqual(discover(around(left)), { file: left.shift(), from });
  }
  assert.deepEqual(discover(around([])), { missing: 'BudgetAI finds no budgetai-server' });
});

test('a setting that leads nowhere is not passed over', () => {
  for (const setting of ['/no/server', 'server', './server']) {
    const found = discover(around(EVERYWHERE, { setting }));
    assert.ok('missing' in found && found.missing.includes(setting));
  }
});

test('nothing in an untrusted workspace is run', () => {
  const untrusted = { trusted: false, searchPath: `${ROOT}/bin:${ROOT}:/opt/bin:bin::.` };
  const files = [...EVERYWHERE, `${ROOT}/bin/budgetai-server`, `${ROOT}/budgetai-server`, 'bin/budgetai-server'];
  assert.deepEqual(discover(around(files, untrusted)), { file: '/opt/bin/budgetai-server', from: 'PATH' });
  const found = discover(around(files, { ...untrusted, setting: OWN }));
  assert.ok('missing' in found && found.missing.includes('not trusted'));
  assert.deepEqual(discover(around(files, { ...untrusted, setting: '/my/server' })), { file: '/my/server', from: 'setting' });
});

test('inside is by folders, not by letters', () => {
  assert.ok(inside(ROOT, [ROOT]));
  assert.ok(inside(`${ROOT}/a/b`, ['/x', ROOT]));
  assert.ok(inside(`${ROOT}/a/../b`, [ROOT]));
  assert.ok(!inside(`${ROOT}2/a`, [ROOT]));
  assert.ok(!inside(`${ROOT}/../a`, [ROOT]));
});

test('Windows has its own names', () => {
  const file = path.join(ROOT, '.venv/Scripts/budgetai-server.exe');
  assert.deepEqual(discover(around([file], { windows: true })), { file, from: 'workspace' });
  assert.equal(beside(file, 'budgetai-train', true), path.join(ROOT, '.venv/Scripts/budgetai-train.exe'));
});

test('what uv and pipx have installed is found without a PATH', () => {
  const file = '/home/me/.local/bin/budgetai-server';
  assert.deepEqual(discover(around([file])), { file, from: 'tools' });
  const own = { trusted: false, folders: ['/home/me'] };
  assert.ok('missing' in discover(around([file], own)));
  assert.deepEqual(toolFolders({ UV_TOOL_BIN_DIR: '/tools', PIPX_BIN_DIR: 'not/full' }, '/home/me'), [
    '/tools',
    '/home/me/.local/bin',
  ]);
});

test('the installers that are here', () => {
  const name = 'budgetai[server]';
  assert.deepEqual(installers(around([]), name), []);
  const uv = { name: 'uv', file: '/home/me/.local/bin/uv', args: ['tool', 'install', name] };
  const pipx = { name: 'pipx', file: '/opt/bin/pipx', args: ['install', name] };
  assert.deepEqual(installers(around([uv.file, pipx.file]), name), [uv, pipx]);
  assert.deepEqual(installers(around([`${ROOT}/uv`], { trusted: false, searchPath: ROOT }), name), []);
});
