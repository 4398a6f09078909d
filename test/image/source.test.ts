// References, good and hostile. Every case ends in its code, reads nothing outside and takes no time.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { createServer, type Server } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { ErrorCode } from '../../src/errors.js';
import { createImageContext, loadImage } from '../../src/image/load.js';
import { decodeDataUri } from '../../src/image/data-uri.js';
import { toPath } from '../../src/image/named-file.js';
import { DEFAULT_LIMITS } from '../../src/image/limits.js';
import { encode, noise, pngBomb } from './pictures.js';

const top = realpathSync(mkdtempSync(join(tmpdir(), 'source-')));
const inside = join(top, 'allowed');
const outside = join(top, 'outside');
const at = (...parts: string[]) => join(inside, ...parts);
const png = await encode(noise(16, 12), 'png');
const data = `data:image/png;base64,${png.toString('base64')}`;
let socket: Server;

before(async () => {
  for (const folder of [inside, outside, join(top, 'allowed-not'), at('sub')]) mkdirSync(folder);
  for (const folder of [inside, outside, join(top, 'allowed-not')])
    writeFileSync(join(folder, 'picture.png'), png);
  writeFileSync(at('sub', 'a b#?%41.png'), png);
  writeFileSync(at('wrong-name.svg'), png);
  writeFileSync(at('drawing.png'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  writeFileSync(at('empty.png'), '');
  writeFileSync(at('ten.png'), '0123456789');
  writeFileSync(at('short.png'), png.subarray(0, 300));
  writeFileSync(at('bomb.png'), pngBomb(30_000, 30_000));
  writeFileSync(at('sparse.png'), png);
  truncateSync(at('sparse.png'), 3 * 1024 ** 3);
  writeFileSync(at('secret.png'), png);
  chmodSync(at('secret.png'), 0);
  symlinkSync(join(outside, 'picture.png'), at('link-out.png'));
  symlinkSync(outside, at('folder-out'));
  symlinkSync('picture.png', at('link-in.png'));
  symlinkSync('loop-b', at('loop-a'));
  symlinkSync('loop-a', at('loop-b'));
  symlinkSync('/dev/zero', at('zero.png'));
  symlinkSync(join(outside, 'nothing.png'), at('dangling.png'));
  execFileSync('mkfifo', [at('pipe.png')]);
  socket = createServer().listen(at('socket.png'));
  await new Promise((resolve) => socket.once('listening', resolve));
});
after(() => {
  socket.close();
  rmSync(top, { recursive: true });
});

const context = createImageContext({ folders: [inside] });

test('every way to name an image in an allowed folder leads to the same image', async () => {
  const first = await loadImage(at('picture.png'), context);
  assert.match(first.imageId, /^img_[0-9a-f]{32}$/);
  for (const reference of [
    pathToFileURL(at('picture.png')).href,
    `file://localhost${at('picture.png')}`,
    at('link-in.png'),
    at('sub', '..', 'picture.png'),
    `${inside}//./picture.png`,
    pathToFileURL(at('sub', 'a b#?%41.png')).href,
    at('sub', 'a b#?%41.png'),
    at('wrong-name.svg'),
    data,
    data.replace('data:image/png', 'DATA:'),
    first.imageId,
  ]) {
    const again = await loadImage(reference, context);
    assert.equal(again.imageId, first.imageId, reference.slice(0, 80));
    assert.deepEqual([again.width, again.height, again.pixelHash], [16, 12, first.pixelHash]);
    assert.deepEqual(Buffer.from((await again.pixels()).data), Buffer.from(noise(16, 12).data));
  }
});

test('~ is the home folder and relative paths belong to the command line', async () => {
  assert.equal(toPath('~/x.png'), join(homedir(), 'x.png'));
  assert.equal(toPath('x.png', '/folder'), '/folder/x.png');
  assert.equal(
    (await loadImage('picture.png', createImageContext({ folders: 'everywhere', cwd: inside }))).width,
    16,
  );
});

const cases: [name: string, reference: string, code: ErrorCode][] = [
  ['nothing', '', 'INVALID_ARGUMENT'],
  ['blanks', ' \t', 'INVALID_ARGUMENT'],
  ['a relative path to nothing', 'missing.png', 'IMAGE_NOT_FOUND'],
  ['a relative path upwards', '../outside/picture.png', 'INVALID_ARGUMENT'],
  ["another user's home", '~nobody-else/picture.png', 'INVALID_ARGUMENT'],
  ['an unknown scheme', 'ftp://example.org/a.png', 'INVALID_ARGUMENT'],
  ['javascript', 'javascript:alert(1)', 'INVALID_ARGUMENT'],
  ['a path of Windows', 'Z:\\Users\\me\\picture.png', 'INVALID_ARGUMENT'],
  ['a very long path', `/${'a/'.repeat(5000)}`, 'INVALID_ARGUMENT'],
  ['a very long name', at('a'.repeat(300)), 'IMAGE_UNREADABLE'],
  ['a missing file with a line break in its name', at('a\nb.png'), 'IMAGE_NOT_FOUND'],
  ['a missing file', at('missing.png'), 'IMAGE_NOT_FOUND'],
  ['a missing folder', at('no', 'such', 'picture.png'), 'IMAGE_NOT_FOUND'],
  ['a file used as a folder', at('picture.png', 'x.png'), 'IMAGE_NOT_FOUND'],
  ['the folder itself', inside, 'IMAGE_UNREADABLE'],
  ['a folder in it', at('sub'), 'IMAGE_UNREADABLE'],
  ['a path outside', join(outside, 'picture.png'), 'PATH_NOT_ALLOWED'],
  ['a missing path outside', join(outside, 'missing.png'), 'PATH_NOT_ALLOWED'],
  ['a sibling with the same beginning', join(top, 'allowed-not', 'picture.png'), 'PATH_NOT_ALLOWED'],
  ['traversal', `${inside}/../outside/picture.png`, 'PATH_NOT_ALLOWED'],
  [
    'traversal through a folder that is not there',
    `${inside}/no/../../outside/picture.png`,
    'PATH_NOT_ALLOWED',
  ],
  ['traversal through a link', `${inside}/folder-out/../outside/picture.png`, 'PATH_NOT_ALLOWED'],
  ['traversal in a file URL', `file://${inside}/../outside/picture.png`, 'PATH_NOT_ALLOWED'],
  ['traversal escaped in a file URL', `file://${inside}/%2e%2e/outside/picture.png`, 'PATH_NOT_ALLOWED'],
  ['traversal escaped twice', `file://${inside}/%252e%252e/outside/picture.png`, 'IMAGE_NOT_FOUND'],
  ['an escape in a plain path', `${inside}/%2e%2e/outside/picture.png`, 'IMAGE_NOT_FOUND'],
  ['an escaped slash in a file URL', `file://${inside}/..%2foutside%2fpicture.png`, 'INVALID_ARGUMENT'],
  ['a file URL with a host', 'file://server/share/a.png', 'INVALID_ARGUMENT'],
  ['a broken file URL', 'file://%', 'INVALID_ARGUMENT'],
  ['a NUL', `${at('picture.png')}\0.png`, 'PATH_NOT_ALLOWED'],
  ['a NUL in a file URL', `file://${inside}/picture.png%00.png`, 'PATH_NOT_ALLOWED'],
  ['a UNC path', '\\\\server\\share\\a.png', 'PATH_NOT_ALLOWED'],
  ['a device namespace', '\\\\.\\PhysicalDrive0', 'PATH_NOT_ALLOWED'],
  ['a doubled slash', `//${outside.slice(1)}/picture.png`, 'PATH_NOT_ALLOWED'],
  ['the root', '/', 'PATH_NOT_ALLOWED'],
  ['the password file', '/etc/passwd', 'PATH_NOT_ALLOWED'],
  ['a device', '/dev/zero', 'PATH_NOT_ALLOWED'],
  ['the process itself', '/proc/self/environ', 'PATH_NOT_ALLOWED'],
  ['a link to a file outside', at('link-out.png'), 'PATH_NOT_ALLOWED'],
  ['a link to a folder outside', at('folder-out', 'picture.png'), 'PATH_NOT_ALLOWED'],
  ['a dangling link', at('dangling.png'), 'IMAGE_NOT_FOUND'],
  ['a link to a device', at('zero.png'), 'PATH_NOT_ALLOWED'],
  ['links in a circle', at('loop-a'), 'IMAGE_UNREADABLE'],
  ['a pipe', at('pipe.png'), 'IMAGE_UNREADABLE'],
  ['a socket', at('socket.png'), 'IMAGE_UNREADABLE'],
  ['a sparse file of 3 GB', at('sparse.png'), 'IMAGE_TOO_LARGE'],
  ['an empty file', at('empty.png'), 'IMAGE_UNREADABLE'],
  ['a ten-byte file', at('ten.png'), 'IMAGE_UNSUPPORTED'],
  ['a truncated file', at('short.png'), 'IMAGE_UNREADABLE'],
  ['a bomb', at('bomb.png'), 'IMAGE_TOO_LARGE'],
  ['an SVG called PNG', at('drawing.png'), 'IMAGE_UNSUPPORTED'],
  ['a web address', 'https://example.org/a.png', 'URL_NOT_ALLOWED'],
  ['an unknown image', `img_${'0'.repeat(32)}`, 'UNKNOWN_IMAGE'],
  ['a malformed image id', 'img_12', 'UNKNOWN_IMAGE'],
  ['data without base64', 'data:image/png,abc', 'INVALID_ARGUMENT'],
  ['data without a comma', 'data:image/png;base64', 'INVALID_ARGUMENT'],
  ['data of nothing', 'data:image/png;base64,', 'INVALID_ARGUMENT'],
  ['data of text', 'data:text/html;base64,PGI+', 'INVALID_ARGUMENT'],
  ['data of nothing known', 'data:image/png;base64,iVBOR-_A', 'IMAGE_UNSUPPORTED'],
  ['data of a signature', 'data:image/png;base64,iVBORw0KGgo', 'IMAGE_UNREADABLE'],
  ['data with a digit too many', 'data:image/png;base64,iVBORw0KG', 'INVALID_ARGUMENT'],
  ['data of other signs', 'data:image/png;base64,iVBOR!w0KGgo', 'INVALID_ARGUMENT'],
  ['data padded in the middle', 'data:image/png;base64,iV==Rw0K', 'INVALID_ARGUMENT'],
  [
    'data that is an SVG',
    `data:image/svg+xml;base64,${Buffer.from('<svg></svg>').toString('base64')}`,
    'IMAGE_UNSUPPORTED',
  ],
  ['data of 40 MB', `data:image/png;base64,${'A'.repeat(40 * 1024 * 1024)}`, 'IMAGE_TOO_LARGE'],
];

for (const [name, reference, code] of cases) {
  test(`${name} ends in ${code}`, async () => {
    const started = performance.now();
    const sentence = /^[^\n\0]{10,1200}\.$/;
    await assert.rejects(loadImage(reference, context), (error: Error & { code?: string }) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, sentence);
      return true;
    });
    assert.ok(performance.now() - started < 5_000);
  });
}

test(
  'an unreadable file says so',
  { skip: process.getuid?.() === 0 && 'root reads everything' },
  async () => {
    await assert.rejects(loadImage(at('secret.png'), context), {
      code: 'IMAGE_UNREADABLE',
      message: /permission denied/,
    });
  },
);

test('the refusal names path, allowed folders and the flag, not where a link leads', async () => {
  await assert.rejects(loadImage(at('link-out.png'), context), (error: Error) => {
    for (const part of [at('link-out.png'), `: ${inside}.`, '--allow ']) {
      assert.ok(error.message.includes(part), part);
    }
    assert.ok(!error.message.includes(outside), error.message);
    return true;
  });
});

test('no folder allows nothing; folders that do not exist allow nothing', async () => {
  for (const folders of [[], [join(top, 'none')]]) {
    await assert.rejects(loadImage(at('picture.png'), createImageContext({ folders })), {
      code: 'PATH_NOT_ALLOWED',
    });
  }
});

test('a folder allowed through a link is its real folder', async () => {
  symlinkSync(inside, join(top, 'by-link'));
  assert.equal((await loadImage(join(top, 'by-link', 'picture.png'), context)).width, 16);
  assert.equal(
    (await loadImage(at('picture.png'), createImageContext({ folders: [join(top, 'by-link')] }))).width,
    16,
  );
});

/** Runs `action` once, right after the next look at a file's kind and before it is opened. */
function betweenCheckAndOpening(action: () => void): void {
  const { stat } = fsPromises;
  const looking = async (...given: Parameters<typeof stat>) => {
    const found = await stat(...given);
    fsPromises.stat = stat;
    syncBuiltinESMExports();
    action();
    return found;
  };
  fsPromises.stat = looking as typeof stat;
  syncBuiltinESMExports();
}

test('a file swapped for a link between check and opening is not read', async () => {
  const victim = at('sub', 'swapped.png');
  writeFileSync(victim, png);
  betweenCheckAndOpening(() => {
    unlinkSync(victim);
    symlinkSync(join(outside, 'picture.png'), victim);
  });
  await assert.rejects(loadImage(victim, context), { code: 'IMAGE_UNREADABLE', message: /ELOOP/ });
});

test('a folder swapped for a link between check and opening is not entered', async () => {
  mkdirSync(at('real'));
  writeFileSync(at('real', 'picture.png'), png);
  betweenCheckAndOpening(() => {
    renameSync(at('real'), at('aside'));
    symlinkSync(outside, at('real'));
  });
  const elsewhere = process.platform === 'linux' ? 'PATH_NOT_ALLOWED' : /PATH_NOT_ALLOWED|IMAGE_UNREADABLE/;
  await assert.rejects(loadImage(at('real', 'picture.png'), context), (error: { code: string }) => {
    assert.match(error.code, new RegExp(elsewhere));
    return true;
  });
});

test('a file swapped for a pipe between check and opening does not hang', async () => {
  const victim = at('sub', 'piped.png');
  writeFileSync(victim, png);
  betweenCheckAndOpening(() => {
    unlinkSync(victim);
    execFileSync('mkfifo', [victim]);
  });
  await assert.rejects(loadImage(victim, context), { code: 'IMAGE_UNREADABLE', message: /pipe/ });
});

test('devices and pipes are not even opened', async () => {
  const { open } = fsPromises;
  fsPromises.open = (() => assert.fail('opened')) as unknown as typeof open;
  syncBuiltinESMExports();
  try {
    await assert.rejects(loadImage(at('pipe.png'), context), { code: 'IMAGE_UNREADABLE' });
    await assert.rejects(loadImage('/dev/zero', createImageContext({ folders: 'everywhere' })), {
      code: 'IMAGE_UNREADABLE',
    });
  } finally {
    fsPromises.open = open;
    syncBuiltinESMExports();
  }
});

test('a path is read again on every call', async () => {
  const path = at('changing.png');
  writeFileSync(path, await encode(noise(8, 8, 'one'), 'png'));
  const first = await loadImage(path, context);
  writeFileSync(path, await encode(noise(8, 8, 'two'), 'png'));
  const second = await loadImage(path, context);
  assert.notEqual(first.imageId, second.imageId);
  assert.deepEqual(
    Buffer.from((await (await loadImage(first.imageId, context)).pixels()).data),
    Buffer.from(noise(8, 8, 'one').data),
  );
});

test('a known picture is not decoded again', async () => {
  const own = createImageContext({ folders: [inside] });
  const first = await loadImage(at('picture.png'), own);
  own.decoded.delete(first.pixelHash);
  assert.equal((await loadImage(data, own)).pixelHash, first.pixelHash);
  assert.equal(own.decoded.size, 0);
});

test('images leave the store when its bytes are spent, the oldest first', async () => {
  const own = createImageContext({ folders: [inside], storeBytes: png.length * 2 + 10 });
  const ids: string[] = [];
  for (const seed of ['1', '2', '3']) {
    const bytes = await encode(noise(16, 12, seed), 'png');
    ids.push((await loadImage(`data:image/png;base64,${bytes.toString('base64')}`, own)).imageId);
  }
  await assert.rejects(loadImage(ids[0]!, own), { code: 'UNKNOWN_IMAGE' });
  assert.equal((await loadImage(ids[2]!, own)).width, 16);
  assert.ok(own.store.bytes <= png.length * 2 + 10);
});

test('data of just the allowed size is read', () => {
  const limits = { ...DEFAULT_LIMITS, maxBytes: 6 };
  assert.equal(decodeDataUri('data:;base64,QUJDREVG', limits).length, 6);
  assert.throws(() => decodeDataUri('data:;base64,QUJDREVGQUJD', limits), { code: 'IMAGE_TOO_LARGE' });
});
