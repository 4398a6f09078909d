// Names of resident engines on Windows, where they listen on named pipes.
import assert from 'node:assert/strict';
import { userInfo } from 'node:os';
import { test } from 'node:test';
import { defaultSocket, socketPath } from '../../src/engine/remote/socket-file.js';

const onWindows = (file: string) => socketPath(file, 'win32');

test('on Windows a resident engine listens on a pipe of its user', () => {
  assert.equal(onWindows(defaultSocket({}, 'win32')), `\\\\.\\pipe\\afterimage-${userInfo().username}`);
});

test('a path given for the socket becomes the name of a pipe; a whole pipe stays', () => {
  assert.equal(onWindows('C:\\work\\eye.sock'), '\\\\.\\pipe\\C-work-eye.sock');
  assert.equal(onWindows('\\\\.\\pipe\\eye'), '\\\\.\\pipe\\eye');
});

test('a name that no pipe can have is refused', () => {
  for (const file of ['', 'x'.repeat(248)])
    assert.throws(() => onWindows(file), { code: 'INVALID_ARGUMENT', message: /--socket NAME/ });
  assert.equal(onWindows('x'.repeat(247)).length, 256);
});

test('elsewhere it is a file', () => {
  assert.equal(socketPath('/run/eye.sock', 'linux'), '/run/eye.sock');
});
