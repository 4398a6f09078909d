// Bad input gets one clear sentence with a stable code on stderr, exit code 2, and nothing on stdout.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { crc32 } from './crc32.js';
import { afterimage, type Ended } from './command.js';
import { brokenCheckpoints, removeBroken } from './broken-checkpoints.js';

const folder = mkdtempSync(join(tmpdir(), 'afterimage-input-'));
const path = (name: string): string => join(folder, name);

/** A PNG whose header promises far more than its few bytes hold. */
function bomb(side: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, crc]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(1 << 16))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

let png: Buffer;
let jpeg: Buffer;
before(async () => {
  const pixels = sharp(Buffer.from(Uint8Array.from({ length: 300 * 200 * 3 }, (_, i) => (i * 31) & 255)), {
    raw: { width: 300, height: 200, channels: 3 },
  });
  png = await pixels.clone().png().toBuffer();
  jpeg = await pixels.clone().jpeg().toBuffer();
  const corrupt = Buffer.from(png);
  corrupt.fill(0x55, 200, 1200);
  const files: Record<string, Buffer | string> = {
    'good.png': png,
    'empty.png': '',
    'ten.png': png.subarray(0, 10),
    'truncated.png': png.subarray(0, png.length >> 1),
    'truncated.jpg': jpeg.subarray(0, jpeg.length >> 1),
    'corrupt.png': corrupt,
    'text.png': 'This is not a picture.\n'.repeat(20),
    'drawing.svg': '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>',
    'drawing.png': '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>',
    'bomb.png': bomb(30_000),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(path(name), bytes);
});
after(() => {
  rmSync(folder, { recursive: true, force: true });
  removeBroken();
});

function refused({ code, stdout, stderr }: Ended, expected: string[]): void {
  assert.equal(stdout, '');
  assert.equal(code, 2, stderr);
  // What takes longer than two seconds says so before.
  const lines = stderr
    .trimEnd()
    .split('\n')
    .filter((line) => !/ …$/.test(line));
  assert.equal(lines.length, 1, stderr);
  assert.match(lines[0]!, /^\S.*[.!?] \[[A-Z_]+\]$/);
  assert.ok(
    expected.some((wanted) => lines[0]!.endsWith(`[${wanted}]`)),
    stderr,
  );
}

describe('images', { concurrency: 2 }, () => {
  const cases: Record<string, string[]> = {
    'missing.png': ['IMAGE_NOT_FOUND'],
    '.': ['IMAGE_UNSUPPORTED', 'IMAGE_UNREADABLE'],
    'empty.png': ['IMAGE_UNREADABLE', 'IMAGE_UNSUPPORTED'],
    'ten.png': ['IMAGE_UNREADABLE'],
    'truncated.png': ['IMAGE_UNREADABLE'],
    'truncated.jpg': ['IMAGE_UNREADABLE'],
    'corrupt.png': ['IMAGE_UNREADABLE'],
    'text.png': ['IMAGE_UNSUPPORTED'],
    'drawing.svg': ['IMAGE_UNSUPPORTED'],
    'drawing.png': ['IMAGE_UNSUPPORTED'],
    'bomb.png': ['IMAGE_TOO_LARGE'],
  };
  for (const [name, expected] of Object.entries(cases)) {
    test(name, async () => refused(await afterimage(['describe', name], { cwd: folder }), expected));
  }

  test('a PNG that is called .jpg is a PNG', async () => {
    writeFileSync(path('png.jpg'), png);
    const { code, stdout } = await afterimage(
      ['describe', 'png.jpg', '--max-tokens', '2', '--json', '--no-disk-cache'],
      { cwd: folder },
    );
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).images[0].width, 300);
  });
});

describe('checkpoints', { concurrency: 2 }, () => {
  for (const [what, make] of Object.entries(brokenCheckpoints)) {
    test(what, async () => {
      const ended = await afterimage(['describe', path('good.png'), '--no-disk-cache', '--model', make()]);
      refused(ended, ['MODEL_NOT_FOUND', 'MODEL_UNSUPPORTED', 'INVALID_CHECKPOINT']);
    });
  }
});

describe('arguments', { concurrency: 2 }, () => {
  const cases = [
    ['look', 'good.png'],
    ['describe'],
    ['describe', 'good.png', '--nonsense'],
    ['describe', 'good.png', '--max-tokens', '-1'],
    ['describe', 'good.png', '--max-tokens', 'many'],
    ['describe', 'good.png', '--detail', 'enormous'],
    ['describe', 'good.png', '--backend', 'abacus'],
    ['describe', 'good.png', '--kv-bits', '7'],
    ['describe', 'good.png', '--model', 'org/never-pulled'],
    ['compare', 'good.png'],
    ['ask', 'good.png'],
    ['chat', ...Array<string>(6).fill('good.png')],
    ['cache', 'burn'],
    ['constructor'],
    ['describe', 'good.png', '--kv-bits', 'toString'],
    ['describe', 'good.png', '--model', ''],
    ['describe', 'good.png', '--threads', '100000'],
    ['describe', 'good.png', '--max-tokens', '4294967296'],
    ['describe', 'good.png', '--kv-gb', '1e300'],
    ['describe', 'good.png', '--allow-urls'],
    ['ocr', 'good.png', '--detail', 'full'],
    ['models', 'extra'],
    ['cache', 'clear', 'extra'],
    ['mcp', '--http', '70000'],
    ['config', 'cursor', '--remote', '--model', 'x'],
    ['config', 'netscape'],
  ];
  for (const args of cases) {
    test(args.join(' '), async () =>
      refused(await afterimage(args, { cwd: folder }), [
        'INVALID_ARGUMENT',
        'TOO_MANY_IMAGES',
        'MODEL_NOT_FOUND',
      ]),
    );
  }
});

test('a folder that cannot be is no reason to wait', async () => {
  refused(await afterimage(['describe', path('good.png'), '--cache-dir', '/proc/x']), ['IO_FAILED']);
});

test('an empty variable is one that is not set', async () => {
  const home = mkdtempSync(join(folder, 'home-'));
  const env = { XDG_CACHE_HOME: '', HOME: home };
  const few = ['--max-tokens', '1'];
  const { code, stderr } = await afterimage(['describe', path('good.png'), ...few], { cwd: folder, env });
  assert.equal(code, 0, stderr);
  assert.ok(existsSync(join(home, '.cache', 'afterimage', 'prefixes')));
});

test('files are called as they are', async () => {
  for (const name of ['img_001', 'Screenshot: 2024.png', '~odd.png']) {
    writeFileSync(path(name), png);
    const few = ['--max-tokens', '1', '--no-disk-cache'];
    const { code, stderr } = await afterimage(['describe', name, ...few], { cwd: folder });
    assert.equal(code, 0, stderr);
  }
});

test('Ctrl-C ends cleanly', async () => {
  const { code, stderr } = await afterimage(
    ['describe', path('good.png'), '--max-tokens', '4000', '--no-disk-cache'],
    { interrupt: true },
  );
  assert.ok(code === 130 || code === 0, stderr);
});
