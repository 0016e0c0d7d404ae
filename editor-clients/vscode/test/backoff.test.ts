import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BackOff } from '../src/backoff';

test('each crash waits twice as long, and the sixth is the last', () => {
  const backOff = new BackOff();
  const delays = [1, 2, 3, 4, 5, 6].map((at) => backOff.next(at));
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16000, undefined]);
});

test('what is long ago does not count', () => {
  const backOff = new BackOff();
  [0, 0, 0, 0, 0].forEach((at) => backOff.next(at));
  assert.equal(backOff.next(180_000), 1000);
  backOff.reset();
  assert.equal(backOff.next(180_001), 1000);
});
