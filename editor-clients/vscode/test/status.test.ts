import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Name, shown } from '../src/status';

const says = (name: Name, on = true, thinking = false): string => shown({ name, message: 'why' }, on, thinking).text;

test('each state has its word', () => {
  assert.match(says('ready'), /ready$/);
  assert.match(says('ready', true, true), /thinking$/);
  assert.match(says('ready', false, true), /off$/);
  assert.match(says('no-model'), /no model$/);
  assert.match(says('error'), /error$/);
  assert.match(says('missing', false), /no server$/);
  assert.match(says('starting', true, true), /starting$/);
});

test('the tooltip is what the server says, and a fault stands out', () => {
  assert.equal(shown({ name: 'error', message: 'why' }, true, false).tooltip, 'why');
  assert.ok(shown({ name: 'error', message: '' }, true, false).warns);
  assert.ok(!shown({ name: 'no-model', message: '' }, true, false).warns);
});
