import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAt, Proposal, shownBehind, stands, words } from '../src/proposal';

function proposal(first: number, old: string[], text: string, version: number | null = 3): Proposal {
  const start = { line: first, character: 0 };
  const last = old.at(-1);
  const end = last === undefined ? start : { line: first + old.length - 1, character: last.length };
  const edit = { textDocument: { uri: 'file:///a', version }, range: { start, end }, text };
  return { edit, old, number: 1, accepted: 'a', dismissed: 'd' };
}

function lines(version: number, ...text: string[]) {
  return { version, lineCount: text.length, line: (number: number) => text[number] ?? '' };
}

test('an edit stands for its version and its lines alone', () => {
  const one = proposal(1, ['b'], 'B');
  assert.ok(stands(one, lines(3, 'a', 'b')));
  assert.ok(!stands(one, lines(4, 'a', 'b')));
  assert.ok(!stands(one, lines(3, 'a', 'c')));
  assert.ok(!stands(one, lines(3, 'a')));
  assert.ok(stands(proposal(1, ['b'], 'B', null), lines(9, 'a', 'b')));
});

test('where the cursor has to be', () => {
  const two = proposal(1, ['b', 'c'], 'B');
  assert.deepEqual([0, 1, 2, 3].map((line) => isAt(two, line, 9)), [false, true, true, false]);
  assert.ok(isAt(proposal(4, [], 'new\n'), 3, 4));
});

test('what is shown, and behind which line', () => {
  assert.equal(words(proposal(1, ['b'], '  if a:\r\n    go()\r\n')), 'if a: ⏎ go()');
  assert.equal(words(proposal(1, ['b'], '')), 'delete');
  assert.equal(words(proposal(1, ['b'], 'x'.repeat(500)), 10), `${'x'.repeat(9)}…`);
  assert.equal(shownBehind(proposal(1, ['b', 'c'], 'B')), 2);
  assert.equal(shownBehind(proposal(4, [], 'B\n')), 3);
  assert.equal(shownBehind(proposal(0, [], 'B\n')), 0);
});
