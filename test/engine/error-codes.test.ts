// One set of error codes on both sides of the boundary.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AfterimageError, ERROR_CODES, NATIVE_ERROR_CODES } from '../../src/errors.js';
import { fromNative, loadAddon } from '../../src/engine/native.js';

test('native code and TypeScript know the same codes', () => {
  const header = readFileSync(new URL('../../native/graph/error.h', import.meta.url), 'utf8');
  const list = /kErrorCodes\[\] = \{([^}]*)\}/.exec(header)?.[1] ?? '';
  const native = [...list.matchAll(/"([A-Z_]+)"/g)].map((match) => match[1]);
  assert.deepEqual(native, [...NATIVE_ERROR_CODES]);
  assert.equal(new Set(ERROR_CODES).size, ERROR_CODES.length, 'each code once');
});

test('an error of the native core arrives with its code', () => {
  const addon = loadAddon();
  let thrown: unknown;
  try {
    addon.backendIdentity('abacus' as 'cpu', 1);
  } catch (error) {
    thrown = fromNative(error);
  }
  assert.ok(thrown instanceof AfterimageError);
  assert.equal(thrown.code, 'INVALID_ARGUMENT');
});
