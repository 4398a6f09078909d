// Inputs that mean harm, through a real client: each ends in the right error, in time, and nothing outside is read.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { ErrorCode } from '../../src/errors.js';
import { createApp } from '../../src/mcp/app.js';
import { listen, type Listening } from '../../src/mcp/http.js';
import { createServer } from '../../src/mcp/server.js';
import { outcome, type Outcome } from './clients.js';
import { makeHostileFiles, type HostileFiles } from './hostile-files.js';
import { startHostileWeb, WEB_DEADLINE_MS, type HostileWeb } from './hostile-web.js';
import { ScriptedEngine } from './scripted-engine.js';
import { ScriptedReader } from './scripted-reader.js';
import { scratchFolder } from '../scratch-folder.js';

/** Generous, for a busy machine: what is checked is that nothing hangs, decodes a bomb or reads an endless file. */
const LIMIT_MS = 10_000;

let files: HostileFiles;
let web: HostileWeb;
let listening: Listening;
let client: Client;

before(async () => {
  files = await makeHostileFiles(scratchFolder('hostile'));
  web = await startHostileWeb(readFileSync(`${files.allowed}/ok.png`));
  const app = createApp({
    engine: new ScriptedEngine(),
    reader: new ScriptedReader(),
    allow: [files.allowed],
    log: { level: 'silent' },
  });
  app.images.urls = web.policy;
  listening = await listen(({ era }) => createServer(app, { era }), { port: 0, log: app.log });
  client = new Client({ name: 'hostile', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new StreamableHTTPClientTransport(new URL(listening.url)));
});

after(async () => {
  await client?.close();
  await listening?.close();
  web?.close();
  files?.close();
});

async function call(name: string, args: Record<string, unknown>): Promise<Outcome> {
  return outcome(await client.callTool({ name, arguments: args }));
}

type Expected = ErrorCode | ErrorCode[];

/** What is passed as `image` to describe_image; functions, because the folders exist only when tests run. */
const IMAGES: [what: string, image: () => unknown, expected: Expected][] = [
  ['a file outside', () => files.secret, 'PATH_NOT_ALLOWED'],
  ['traversal', () => `${files.allowed}/../outside/secret.png`, 'PATH_NOT_ALLOWED'],
  [
    'traversal through a folder',
    () => `${files.allowed}/folder/../../outside/secret.png`,
    'PATH_NOT_ALLOWED',
  ],
  ['a sibling with the same prefix', () => `${files.allowed}-not/secret.png`, 'PATH_NOT_ALLOWED'],
  ['a link to outside', () => `${files.allowed}/link.png`, 'PATH_NOT_ALLOWED'],
  ['a relative link to outside', () => `${files.allowed}/relative-link.png`, 'PATH_NOT_ALLOWED'],
  ['a link to a link to outside', () => `${files.allowed}/link-to-link.png`, 'PATH_NOT_ALLOWED'],
  ['a linked folder', () => `${files.allowed}/linked-folder/secret.png`, 'PATH_NOT_ALLOWED'],
  [
    'a dangling link to outside',
    () => `${files.allowed}/dangling.png`,
    ['PATH_NOT_ALLOWED', 'IMAGE_NOT_FOUND'],
  ],
  [
    'a link to itself',
    () => `${files.allowed}/loop.png`,
    ['IMAGE_UNREADABLE', 'PATH_NOT_ALLOWED', 'IMAGE_NOT_FOUND'],
  ],
  ['a link to a device', () => `${files.allowed}/zero.png`, 'PATH_NOT_ALLOWED'],
  ['a link to the environment', () => `${files.allowed}/environ.png`, 'PATH_NOT_ALLOWED'],
  ['/dev/zero', () => '/dev/zero', 'PATH_NOT_ALLOWED'],
  ['/dev/stdin', () => '/dev/stdin', 'PATH_NOT_ALLOWED'],
  ['/proc/self/mem', () => '/proc/self/mem', 'PATH_NOT_ALLOWED'],
  ['/proc/self/root', () => `/proc/self/root${files.secret}`, 'PATH_NOT_ALLOWED'],
  ['/proc/self/cwd', () => '/proc/self/cwd/package.json', 'PATH_NOT_ALLOWED'],
  [
    'a missing file outside is not told from one that exists',
    () => `${files.outside}/missing.png`,
    'PATH_NOT_ALLOWED',
  ],
  ['a pipe', () => `${files.allowed}/pipe.png`, 'IMAGE_UNREADABLE'],
  ['a socket', () => `${files.allowed}/socket.png`, 'IMAGE_UNREADABLE'],
  ['a folder', () => `${files.allowed}/folder`, 'IMAGE_UNREADABLE'],
  [
    'a file used as a folder',
    () => `${files.allowed}/ok.png/more.png`,
    ['IMAGE_NOT_FOUND', 'IMAGE_UNREADABLE'],
  ],
  ['NUL', () => `${files.allowed}/ok.png\0.txt`, 'PATH_NOT_ALLOWED'],
  ['UNC', () => '\\\\server\\share\\a.png', 'PATH_NOT_ALLOWED'],
  ['a device namespace path', () => '//?/C:/a.png', 'PATH_NOT_ALLOWED'],
  ['a double slash', () => '//server/share/a.png', 'PATH_NOT_ALLOWED'],
  ['a Windows path', () => 'C:\\Windows\\a.png', 'INVALID_ARGUMENT'],
  ['file:// with %2e', () => `file://${files.allowed}/%2e%2e/outside/secret.png`, 'PATH_NOT_ALLOWED'],
  ['file:// with %2f', () => `file://${files.allowed}%2f..%2foutside%2fsecret.png`, 'INVALID_ARGUMENT'],
  ['file:// with %00', () => `file://${files.allowed}/ok.png%00`, ['PATH_NOT_ALLOWED', 'INVALID_ARGUMENT']],
  ['file:// of another host', () => 'file://server/share/a.png', 'INVALID_ARGUMENT'],
  ['%2e in a plain path is a name', () => `${files.allowed}/%2e%2e/outside/secret.png`, 'IMAGE_NOT_FOUND'],
  ['home of another user', () => '~root/a.png', 'PATH_NOT_ALLOWED'],
  ['home', () => '~/.ssh/id_rsa', 'PATH_NOT_ALLOWED'],
  ['a relative path', () => '../outside/secret.png', 'INVALID_ARGUMENT'],
  ['nothing', () => '', 'INVALID_ARGUMENT'],
  ['a blank', () => '  ', 'INVALID_ARGUMENT'],
  [
    '5,000 characters',
    () => `${files.allowed}/${'a'.repeat(5000)}`,
    ['IMAGE_NOT_FOUND', 'IMAGE_UNREADABLE', 'PATH_NOT_ALLOWED'],
  ],
  ['a million characters', () => `/${'a'.repeat(1e6)}`, 'INVALID_ARGUMENT'],
  ['300 folders deep', () => `${files.allowed}${'/a'.repeat(300)}`, ['IMAGE_NOT_FOUND', 'IMAGE_UNREADABLE']],
  ['a number', () => 7, 'INVALID_ARGUMENT'],
  ['an object', () => ({ path: files.secret }), 'PATH_NOT_ALLOWED'],
  ['null', () => null, 'INVALID_ARGUMENT'],
  ['an empty file', () => `${files.allowed}/empty.png`, 'IMAGE_UNREADABLE'],
  ['ten bytes', () => `${files.allowed}/ten-bytes.png`, 'IMAGE_UNREADABLE'],
  ['half a PNG', () => `${files.allowed}/truncated.png`, 'IMAGE_UNREADABLE'],
  ['half a JPEG', () => `${files.allowed}/truncated.jpg`, 'IMAGE_UNREADABLE'],
  ['text', () => `${files.allowed}/text.png`, 'IMAGE_UNSUPPORTED'],
  ['SVG', () => `${files.allowed}/drawing.png`, 'IMAGE_UNSUPPORTED'],
  ['SVG with an external entity', () => `${files.allowed}/entity.svg`, 'IMAGE_UNSUPPORTED'],
  ['HTML', () => `${files.allowed}/page.png`, 'IMAGE_UNSUPPORTED'],
  ['PDF', () => `${files.allowed}/document.png`, 'DOCUMENT_UNREADABLE'],
  ['a decompression bomb', () => `${files.allowed}/bomb.png`, 'IMAGE_TOO_LARGE'],
  [
    'a header of 2,000,000,000 pixels a side',
    () => `${files.allowed}/bomb-header.png`,
    ['IMAGE_TOO_LARGE', 'IMAGE_UNREADABLE'],
  ],
  ['21 MB', () => `${files.allowed}/too-large.png`, 'IMAGE_TOO_LARGE'],
  ['a terabyte', () => `${files.allowed}/enormous.png`, 'IMAGE_TOO_LARGE'],
  ['data: without base64', () => 'data:image/png,abc', 'INVALID_ARGUMENT'],
  ['data: with wrong base64', () => 'data:image/png;base64,!!!!', 'INVALID_ARGUMENT'],
  ['data: with base64 cut short', () => 'data:image/png;base64,iVBORw0KG', 'INVALID_ARGUMENT'],
  ['data: with nothing', () => 'data:image/png;base64,', 'INVALID_ARGUMENT'],
  ['data: without comma', () => `data:image/png;base64${'A'.repeat(500)}`, 'INVALID_ARGUMENT'],
  ['data: of a web page', () => 'data:text/html;base64,PGI+', 'INVALID_ARGUMENT'],
  [
    'data: of an SVG',
    () =>
      `data:image/svg+xml;base64,${Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>').toString('base64')}`,
    'IMAGE_UNSUPPORTED',
  ],
  ['data: of 21 MB', () => `data:image/png;base64,${'A'.repeat(28 * 2 ** 20)}`, 'IMAGE_TOO_LARGE'],
  ['javascript:', () => 'javascript:alert(1)', 'INVALID_ARGUMENT'],
  ['ftp:', () => 'ftp://example.com/a.png', 'INVALID_ARGUMENT'],
  ['an unknown image_id', () => `img_${'0'.repeat(32)}`, 'UNKNOWN_IMAGE'],
  ['a broken image_id', () => 'img_../../etc/passwd', 'INVALID_ARGUMENT'],
  ['loopback', () => 'http://127.0.0.1/a.png', 'URL_NOT_ALLOWED'],
  ['loopback in decimal', () => 'http://2130706433/a.png', 'URL_NOT_ALLOWED'],
  ['loopback in hexadecimal', () => 'http://0x7f.1/a.png', 'URL_NOT_ALLOWED'],
  ['loopback in octal', () => 'http://0177.0.0.1/a.png', 'URL_NOT_ALLOWED'],
  ['loopback in IPv6', () => 'http://[::1]/a.png', 'URL_NOT_ALLOWED'],
  ['loopback mapped into IPv6', () => 'http://[::ffff:127.0.0.1]/a.png', 'URL_NOT_ALLOWED'],
  ['0.0.0.0', () => 'http://0.0.0.0/a.png', 'URL_NOT_ALLOWED'],
  ['a private address', () => 'http://192.168.0.1/a.png', 'URL_NOT_ALLOWED'],
  ['link-local metadata', () => 'http://169.254.169.254/latest/', 'URL_NOT_ALLOWED'],
  ['a name with a private address', () => web.url('/ok.png', 'private.test'), 'URL_NOT_ALLOWED'],
  ['a name with one private address among others', () => web.url('/ok.png', 'mixed.test'), 'URL_NOT_ALLOWED'],
  ['a name of the metadata service', () => web.url('/ok.png', 'metadata.test'), 'URL_NOT_ALLOWED'],
  ['a name with a mapped address', () => web.url('/ok.png', 'mapped.test'), 'URL_NOT_ALLOWED'],
  ['a name without address', () => web.url('/ok.png', 'nowhere.test'), 'URL_FAILED'],
  ['a user name', () => web.url('/ok.png', 'user:secret@public.test'), 'URL_NOT_ALLOWED'],
  ['another port', () => 'http://public.test:22/a.png', 'URL_NOT_ALLOWED'],
  ['a redirect to a private address', () => web.url('/to-private'), 'URL_NOT_ALLOWED'],
  ['a redirect to loopback', () => web.url('/to-loopback'), 'URL_NOT_ALLOWED'],
  ['a redirect to metadata', () => web.url('/to-metadata'), 'URL_NOT_ALLOWED'],
  ['a redirect to a private name', () => web.url('/to-private-name'), 'URL_NOT_ALLOWED'],
  ['a redirect to file:', () => web.url('/to-file'), 'URL_NOT_ALLOWED'],
  ['redirects without end', () => web.url('/loop'), 'URL_FAILED'],
  ['DNS rebinding', () => web.url('/to-rebound', 'rebind.test'), 'URL_NOT_ALLOWED'],
  ['a server that says nothing', () => web.url('/slow-head'), 'URL_FAILED'],
  ['a slow body', () => web.url('/slow-body'), 'URL_FAILED'],
  ['an endless body', () => web.url('/endless'), ['IMAGE_TOO_LARGE', 'URL_FAILED']],
  ['a Content-Length of a terabyte', () => web.url('/claims-a-terabyte'), 'IMAGE_TOO_LARGE'],
  ['a Content-Length that is too long', () => web.url('/claims-more'), ['URL_FAILED', 'IMAGE_UNREADABLE']],
  ['a Content-Length that is too short', () => web.url('/claims-less'), ['URL_FAILED', 'IMAGE_UNREADABLE']],
  ['a compressed body', () => web.url('/gzip'), 'URL_FAILED'],
  ['a web page as image/png', () => web.url('/page.png'), 'IMAGE_UNSUPPORTED'],
  ['an SVG from the web', () => web.url('/drawing.png'), 'IMAGE_UNSUPPORTED'],
  ['404', () => web.url('/nothing'), 'URL_FAILED'],
];

const ok = () => `${files.allowed}/ok.png`;
const whole = { x: 0, y: 0, width: 64, height: 48 };

const CALLS: [what: string, tool: string, args: () => Record<string, unknown>, expected: Expected][] = [
  [
    'a negative region',
    'describe_image',
    () => ({ image: ok(), region: { ...whole, x: -1 } }),
    'INVALID_REGION',
  ],
  [
    'a region over the edge',
    'ocr',
    () => ({ image: ok(), region: { ...whole, width: 65 } }),
    'INVALID_REGION',
  ],
  ['an empty region', 'ocr', () => ({ image: ok(), region: { ...whole, height: 0 } }), 'INVALID_REGION'],
  [
    'a huge region',
    'describe_image',
    () => ({ image: ok(), region: { ...whole, width: Number.MAX_SAFE_INTEGER } }),
    'INVALID_REGION',
  ],
  [
    'a region of 1e300',
    'describe_image',
    () => ({ image: ok(), region: { ...whole, x: 1e300 } }),
    'INVALID_ARGUMENT',
  ],
  ['half pixels', 'describe_image', () => ({ image: ok(), region: { ...whole, x: 0.5 } }), 'INVALID_REGION'],
  [
    '300 ignored regions',
    'compare_images',
    () => ({ image_a: ok(), image_b: ok(), ignore_regions: Array(300).fill(whole) }),
    'INVALID_ARGUMENT',
  ],
  [
    'an ignored region outside',
    'compare_images',
    () => ({ image_a: ok(), image_b: ok(), ignore_regions: [{ ...whole, y: 9999 }] }),
    'INVALID_REGION',
  ],
  [
    'a threshold of 2',
    'compare_images',
    () => ({ image_a: ok(), image_b: ok(), threshold: 2 }),
    'INVALID_ARGUMENT',
  ],
  [
    'one allowed and one outside image',
    'compare_images',
    () => ({ image_a: ok(), image_b: files.secret }),
    'PATH_NOT_ALLOWED',
  ],
  [
    'six images',
    'chat_with_images',
    () => ({ message: 'Hi', images: Array(6).fill(ok()) }),
    'TOO_MANY_IMAGES',
  ],
  ['neither images nor a session', 'chat_with_images', () => ({ message: 'Hi' }), 'INVALID_ARGUMENT'],
  [
    'an unknown session',
    'chat_with_images',
    () => ({ message: 'Hi', session_id: 'f'.repeat(32) }),
    'SESSION_NOT_FOUND',
  ],
  [
    'a path as session',
    'describe_image',
    () => ({ image: ok(), session_id: '../../etc/passwd' }),
    'SESSION_NOT_FOUND',
  ],
  [
    'a property name as session',
    'chat_with_images',
    () => ({ message: 'Hi', session_id: '__proto__' }),
    'SESSION_NOT_FOUND',
  ],
  ['a fork of nothing', 'chat_with_images', () => ({ message: 'Hi', fork: true }), 'INVALID_ARGUMENT'],
  ['nothing to continue', 'chat_with_images', () => ({ message: '' }), 'INVALID_ARGUMENT'],
  [
    'images without a message',
    'chat_with_images',
    () => ({ message: '', images: [ok()] }),
    'INVALID_ARGUMENT',
  ],
  ['a search by the model', 'ocr', () => ({ image: ok(), find: 'x', method: 'model' }), 'INVALID_ARGUMENT'],
  [
    'words from the model',
    'ocr',
    () => ({ image: ok(), format: 'words', method: 'model' }),
    'INVALID_ARGUMENT',
  ],
  ['no tokens', 'ocr', () => ({ image: ok(), max_tokens: 0 }), 'INVALID_ARGUMENT'],
  ['a billion tokens', 'ocr', () => ({ image: ok(), max_tokens: 1e9 }), 'INVALID_ARGUMENT'],
  [
    'lines from a model without boxes',
    'ocr',
    () => ({ image: ok(), format: 'lines', method: 'model' }),
    'INVALID_ARGUMENT',
  ],
  [
    'only unknown arguments',
    'describe_image',
    () => ({ colour: 'red', size: [0, 0, 9, 9] }),
    'INVALID_ARGUMENT',
  ],
  [
    'a question of a million characters',
    'describe_image',
    () => ({ image: ok(), question: 'a'.repeat(1e6) }),
    'INVALID_ARGUMENT',
  ],
  ['100,000 languages', 'ocr', () => ({ image: ok(), languages: Array(1e5).fill('x') }), 'INVALID_ARGUMENT'],
  [
    'arguments for a prototype',
    'describe_image',
    () => JSON.parse('{"__proto__": {"image": "x"}}'),
    'INVALID_ARGUMENT',
  ],
];

async function refused(tool: string, args: Record<string, unknown>, expected: Expected): Promise<void> {
  const begun = performance.now();
  const { isError, code, text } = await call(tool, args);
  const took = performance.now() - begun;
  assert.equal(isError, true, `refused, but the answer was: ${text}`);
  assert.ok(
    [expected].flat().includes(code as ErrorCode),
    `expected ${String(expected)}, got ${text.slice(0, 300)}`,
  );
  assert.ok(text.length < 1500, 'one short sentence, whatever was sent');
  assert.ok(took < LIMIT_MS, `took ${Math.round(took)} ms`);
}

for (const [what, image, expected] of IMAGES)
  test(`image: ${what}`, () => refused('describe_image', { image: image() }, expected));
for (const [what, tool, args, expected] of CALLS)
  test(`${tool}: ${what}`, () => refused(tool, args(), expected));

test('there are at least 60 of them, and the server still answers', async () => {
  assert.ok(IMAGES.length + CALLS.length >= 60);
  for (const image of [
    ok(),
    web.url('/ok.png'),
    `data:image/png;base64,${readFileSync(ok()).toString('base64')}`,
    `file://${ok()}`,
  ]) {
    const { isError, text, structured } = await call('describe_image', { image });
    assert.equal(isError, false, text);
    assert.equal(structured['images'][0].width, 64);
  }
  assert.ok(!web.seen.some((request) => request.startsWith('127.0.0.1')), 'no redirect was followed inside');
  assert.ok(WEB_DEADLINE_MS < LIMIT_MS);
});
