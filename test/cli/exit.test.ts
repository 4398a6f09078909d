// By which signals a program is asked to stop.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stopSignals } from '../../src/exit.js';

test('a console that is closed is a wish to stop on Windows only', () => {
  assert.deepEqual(stopSignals('linux'), ['SIGINT', 'SIGTERM']);
  assert.deepEqual(stopSignals('win32'), ['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP']);
});
