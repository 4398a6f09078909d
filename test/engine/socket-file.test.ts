// Names of resident engines on Windows, where they listen on named pipes.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { defaultSocket, socketPath } from '../../src/engine/remote/socket-file.js';

const home = mkdtempSync(join(tmpdir(), 'socket-file-'));
after(() => rmSync(home, { recursive: true }));

const onWindows = (file: string) => socketPath(file, 'win32');

test('on Windows a resident engine listens on a pipe whose name only its user knows', () => {
  const [mine, others] = ['mine', 'others'].map((name) => ({ XDG_CACHE_HOME: join(home, name) }));
  const name = defaultSocket(mine, 'win32');
  assert.match(onWindows(name), /^\\\\\.\\pipe\\afterimage-[0-9a-f]{32}$/);
  assert.equal(defaultSocket(mine, 'win32'), name);
  assert.notEqual(defaultSocket(others, 'win32'), name);
});

test('where the name cannot be kept, it is said', () => {
  writeFileSync(join(home, 'file'), '');
  assert.throws(() => defaultSocket({ XDG_CACHE_HOME: join(home, 'file') }, 'win32'), {
    code: 'IO_FAILED',
    message: /--socket FILE/,
  });
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
