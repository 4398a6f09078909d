// Messages whose long strings are lifted out while their bytes come in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterimageError } from '../../src/errors.js';
import { carriedText, isCarried, releaseCarried, textOf } from '../../src/image/carried.js';
import { createImageContext, loadImage } from '../../src/image/load.js';
import { LONGEST_REST } from '../../src/mcp/app.js';
import { LiftedMessage } from '../../src/mcp/lifted.js';
import { WholeLines } from '../../src/mcp/lines.js';
import { encode, noise } from '../image/pictures.js';

/** The message that comes out when `text` comes in pieces of some size. */
function lifted(text: string, size: number): string {
  const message = new LiftedMessage();
  const bytes = Buffer.from(text);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(...message.lift(bytes.subarray(at, at + size)));
  return Buffer.concat([...out, ...message.end()]).toString();
}

/** What a lifted string was. */
function original(value: unknown): unknown {
  if (typeof value === 'string' && isCarried(value))
    return JSON.parse(`"${Buffer.concat(carriedText(value)!).toString()}"`);
  if (Array.isArray(value)) return value.map(original);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, original(part)]));
}

const long = 'data:image/png;base64,' + 'Ab+/'.repeat(40_000);
const knotty = `${'\\"'.repeat(30_000)} { [ 漢字 🙂 \n ${'\\'.repeat(50_001)}`;

test('long strings of arguments are lifted out and everything else stays, however the bytes are cut', () => {
  const call = (...images: string[]) => ({
    jsonrpc: '2.0',
    id: 7,
    method: 'tools/call',
    params: {
      name: 'a "quoted" {name}',
      arguments: { images, question: 'What\\?"', n: [1, -2e3, null, true], end: '\\' },
    },
  });
  for (const message of [call('a.png'), call(long, 'b.png'), call(knotty, long, '')]) {
    const text = JSON.stringify(message);
    for (const size of [1, 7, 4096, 65_536, text.length]) {
      if (size === 1 && text.length > 1e5) continue;
      const out = JSON.parse(lifted(text, size)) as typeof message;
      assert.deepEqual(original(out), message);
      const wanted = message.params.arguments.images.map(({ length }) => length > 65_536);
      assert.deepEqual(out.params.arguments.images.map(isCarried), wanted);
      releaseCarried(out);
    }
  }
});

test('what a message says about itself is not lifted', () => {
  const text = JSON.stringify({ jsonrpc: '2.0', id: long, method: 'ping', params: { cursor: long } });
  assert.equal(lifted(text, 1000), text);
});

test('a line that ends within a string harms no other', async () => {
  const lines = new WholeLines(1e6, () => assert.fail('none is too long'));
  let out = '';
  lines.on('data', (chunk) => (out += chunk));
  const broken = `{"params":{"arguments":{"image":"${long}`;
  lines.write(broken.slice(0, 90_000));
  lines.write(`${broken.slice(90_000)}\n`);
  lines.write('{"id":"next"}\n');
  await new Promise((resolve) => lines.end(resolve));
  assert.throws(() => JSON.parse(out.split('\n')[0]!) as unknown, SyntaxError);
  assert.equal(out.split('\n')[1], '{"id":"next"}');
});

test('between the parts of a long line the event loop turns', async () => {
  const lines = new WholeLines(64 * LONGEST_REST, () => assert.fail('too long'));
  lines.resume();
  let turns = 0;
  let next = setImmediate(function turn() {
    turns++;
    next = setImmediate(turn);
  });
  lines.write('{"params":{"arguments":{"image":"');
  for (let part = 0; part < 64; part++) lines.write(Buffer.alloc(65_536, 'A'));
  await new Promise((resolve) => lines.end('\n', resolve as () => void));
  clearImmediate(next);
  assert.ok(turns >= 15, `${turns} turns for 4 MiB`);
});

test('a carried text is the text; one that is no JSON or far too long says so', () => {
  const carried = (said: string): string =>
    (JSON.parse(lifted(`[[["${said}"]]]`, 65_536)) as string[][][])[0]![0]![0]!;
  const good = carried('a\\n\\u00e9 '.repeat(10_000));
  assert.ok(isCarried(good));
  assert.equal(textOf(good), 'a\n\u00e9 '.repeat(10_000));
  assert.equal(textOf('short'), 'short');
  for (const said of [`\\x${'a'.repeat(70_000)}`, 'a'.repeat(2 * LONGEST_REST)])
    assert.throws(() => textOf(carried(said)), { code: 'INVALID_ARGUMENT' });
});

test('a line is bounded with its pictures and without them', async () => {
  let tooLong = 0;
  const lines = new WholeLines(8 * LONGEST_REST, () => tooLong++);
  let out = 0;
  lines.on('data', (chunk: Buffer) => (out += chunk.length));
  const picture = 'A'.repeat(6 * LONGEST_REST);
  for (const text of [
    `{"params":{"arguments":{"image":"${picture}"}}}`,
    `{"params":{"arguments":{"images":["${picture}","${picture}"]}}}`,
    `{"params":{"arguments":{"images":[${'"short",'.repeat(LONGEST_REST / 8)}""]}}}`,
  ]) {
    const bytes = Buffer.from(`${text}\n`);
    for (let at = 0; at < bytes.length; at += 65_536) lines.write(bytes.subarray(at, at + 65_536));
  }
  await new Promise((resolve) => lines.end(resolve));
  assert.equal(tooLong, 2);
  assert.ok(out < 100_000, `${out} bytes are left of a line of ${picture.length}`);
});

test('a carried picture is the picture; one that is no picture, is too large or was let go says so', async () => {
  const png = await encode(noise(300, 200), 'png');
  const context = createImageContext({ folders: [], limits: { maxBytes: 400_000 } });
  const reference = (text: string): string =>
    (JSON.parse(lifted(`[[["${text}"]]]`, 65_536)) as string[][][])[0]![0]![0]!;
  const good = reference(`data:image\\/png;base64,${png.toString('base64').replaceAll('/', '\\/')}`);
  const { width, height, bytes } = await loadImage(good, context);
  assert.deepEqual([width, height, Buffer.compare(bytes, png)], [300, 200, 0]);
  releaseCarried({ images: [good] });
  const cases: [string, string][] = [
    [good, 'INVALID_ARGUMENT'],
    [reference('/a/path'.repeat(20_000)), 'INVALID_ARGUMENT'],
    [reference(`data:image/png;base64,\\x${'A'.repeat(100_000)}`), 'INVALID_ARGUMENT'],
    [reference(`data:image/png;base64,${'='.repeat(300_000)}x`), 'INVALID_ARGUMENT'],
    [reference(`data:image/png;base64,${'A'.repeat(600_000)}`), 'IMAGE_TOO_LARGE'],
  ];
  for (const [name, code] of cases) {
    await assert.rejects(loadImage(name, context), (error) => {
      assert.ok(error instanceof AfterimageError && error.message.length < 500);
      assert.equal(error.code, code);
      return true;
    });
  }
});
