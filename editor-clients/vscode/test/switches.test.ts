import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Files, languageOn, toggled } from '../src/switches';

test('a language, all others, or on', () => {
  assert.ok(languageOn({}, 'go'));
  assert.ok(!languageOn({ '*': false }, 'go'));
  assert.ok(languageOn({ '*': false, go: true }, 'go'));
  const off = toggled({ '*': true }, 'go');
  assert.deepEqual(off, { '*': true, go: false });
  assert.ok(languageOn(toggled(off, 'go'), 'go'));
});

test('a file is the other way round than its language', () => {
  const files = new Files();
  files.toggle('file:///a');
  assert.ok(!files.on('file:///a', true));
  assert.ok(files.on('file:///a', false));
  assert.ok(files.on('file:///b', true));
  files.toggle('file:///a');
  assert.ok(files.on('file:///a', true));
});
