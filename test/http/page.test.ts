// The page's own routes: who gets in and with what, what a browser is told to refuse, what is shown to whom.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import type { Live } from '../../src/http/page/live.js';
import type { Prefix } from '../../src/http/page/prefixes.js';
import { SignIns } from '../../src/http/page/sign-ins.js';
import type { Json } from '../mcp/clients.js';
import { draw, pictureFolder } from '../mcp/pictures.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { door, events, TOKEN, type OpenDoor } from './doors.js';

const folder = pictureFolder();
const file = `${folder}/red.png`;
const OTHER = 'e'.repeat(64);
let opened: OpenDoor;
let key: string;

before(async () => {
  await draw(file, '#ffffff', [{ x: 40, y: 60, width: 60, height: 24, color: '#cc0000' }]);
  opened = await door(undefined, { allow: [folder] }, { tokens: [TOKEN, OTHER], downloads: true });
  key = await signIn(TOKEN);
});
after(() => opened?.close());

async function signIn(token: string): Promise<string> {
  const response = await fetch(`${opened.url}/page/session`, {
    method: 'POST',
    headers: bearer(token),
    body: '{}',
  });
  return ((await response.json()) as { key: string }).key;
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

/** With the page's key. */
function page(path: string, init: RequestInit = {}, as = key): Promise<Response> {
  return fetch(`${opened.url}/page/${path}`, {
    ...init,
    headers: { ...bearer(as), ...(init.headers as object) },
  });
}

function call(tool: string, args: object, as = key, more: object = {}): Promise<Response> {
  return page(`tools/${tool}`, { method: 'POST', body: JSON.stringify({ arguments: args, ...more }) }, as);
}

async function result(tool: string, args: object, as = key): Promise<Json> {
  const all = (await events(await call(tool, args, as))) as Json[];
  return all.find((event) => event.result ?? event.error);
}

test('the page comes to everyone on this machine, with a policy that lets nothing else in', async () => {
  for (const path of ['/', '/page/page.js', '/page/page.css', '/page/icon.svg']) {
    const response = await fetch(opened.url + path);
    assert.equal(response.status, 200, path);
    const policy = response.headers.get('content-security-policy')!;
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(response.headers.get('set-cookie'), null);
    const text = await response.text();
    if (path === '/') assert.doesNotMatch(text, /<script(?![^>]* src=)|<style|style=| on\w+=/i);
  }
  assert.equal((await fetch(opened.url, { method: 'POST' })).status, 405);
});

test('all else wants the key of a tab: not the token, not a key of before, not nothing', async () => {
  const paths = ['live', 'pictures/img_00000000000000000000000000000000', 'anything'];
  for (const path of paths) {
    assert.equal((await fetch(`${opened.url}/page/${path}`)).status, 401, path);
    assert.equal((await page(path, {}, TOKEN)).status, 401, path);
    assert.equal((await page(path, {}, 'f'.repeat(64))).status, 401, path);
  }
  const gone = await signIn(TOKEN);
  assert.equal((await page('session', { method: 'DELETE' }, gone)).status, 200);
  assert.equal((await page('live', {}, gone)).status, 401);
});

test('a key of the page opens the page alone', async () => {
  for (const path of ['/v1/models', '/metrics'])
    assert.equal((await fetch(opened.url + path, { headers: bearer(key) })).status, 401, path);
});

test('signing in wants a token or a link that was not used', async () => {
  const by = (headers: Record<string, string>, body: object) =>
    fetch(`${opened.url}/page/session`, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.equal((await by({}, {})).status, 401);
  assert.equal((await by({}, { code: 'x' })).status, 401);
  assert.equal((await by(bearer('wrong'.repeat(10)), {})).status, 401);
  const code = new URL(opened.link()).hash.slice(1);
  assert.equal((await by({}, { code })).status, 200);
  assert.equal((await by({}, { code })).status, 401, 'a second time');
});

test('a foreign host or origin gets nothing, the page included', async () => {
  const { port } = new URL(opened.url);
  const status = (headers: Record<string, string>, path: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, headers }, ({ statusCode }) => resolve(statusCode))
        .on('error', reject)
        .end();
    });
  for (const path of ['/', '/page/live']) {
    assert.equal(await status({ Host: 'evil.example', ...bearer(key) }, path), 403, path);
    assert.equal(await status({ Origin: 'https://evil.example', ...bearer(key) }, path), 403, path);
  }
});

test('a tool is called as by every door, with its stages and its text as they come', async () => {
  const args = { images: [file], message: 'count to 3' };
  const all = (await events(await call('chat_with_images', args))) as Json[];
  assert.equal(all.pop(), '[DONE]');
  const { structured, reuse } = all.pop().result;
  assert.equal(structured.answer, '1 2 3');
  assert.equal(reuse.image_tokens, 64);
  assert.equal(all.map(({ text }) => text ?? '').join(''), '1 2 3');
  assert.ok(all.some(({ progress }) => progress?.stage === 'decode'));
  const refused = await result('describe_image', { image: '/etc/hostname' });
  assert.equal(refused.error.code, 'PATH_NOT_ALLOWED');
  assert.equal((await call('nothing', {})).status, 400);
  assert.equal((await page('tools/ocr', { method: 'POST', body: '{"x": 1}' })).status, 400);
  assert.equal((await call('ocr', {}, key, { model: 'nobody' })).status, 404);
});

test('who goes away cancels', async () => {
  const stop = new AbortController();
  const body = JSON.stringify({ arguments: { images: [file], message: 'words take 100 ms, count to 90' } });
  const response = await page('tools/chat_with_images', { method: 'POST', body, signal: stop.signal });
  await response.body!.getReader().read();
  assert.equal(opened.app.activity.list().length, 1);
  stop.abort();
  while (opened.app.activity.list().length > 0) await sleep(20);
});

test('a picture is shown to who had it looked at, and to no other client', async () => {
  const bytes = `data:image/png;base64,${readFileSync(file).toString('base64')}`;
  const { structured } = (await result('ocr', { image: bytes, format: 'lines' })).result;
  const { image_id: id } = structured.images[0];
  const shown = await page(`pictures/${id}?side=100`);
  assert.equal(shown.headers.get('content-type'), 'image/webp');
  assert.match(shown.headers.get('cache-control')!, /private/);
  const { width, height } = await sharp(await shown.arrayBuffer()).metadata();
  assert.deepEqual([width, height], [100, 63]);
  const other = await signIn(OTHER);
  assert.equal((await page(`pictures/${id}`, {}, other)).status, 404);
  assert.equal((await page('pictures/..%2f..%2fpackage.json')).status, 404);
});

test('what goes on is told as it changes; of other clients only that something is asked', async () => {
  const stop = new AbortController();
  const other = await signIn(OTHER);
  const seen: Live[] = [];
  const response = await page('live', { signal: stop.signal }, other);
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const part of response.body!)
      for (const event of decoder.decode(part).split('\n\n'))
        if (event.startsWith('data: {')) seen.push(JSON.parse(event.slice(6)) as Live);
  })().catch(() => {});
  const asked = result('chat_with_images', {
    images: [file],
    message: 'words take 150 ms: a secret question',
  });
  while (!seen.some(({ calls }) => calls.some(({ stage }) => stage === 'decode'))) await sleep(20);
  await asked;
  while (seen.at(-1)!.calls.length > 0) await sleep(20);
  stop.abort();
  await reading;
  const said = JSON.stringify(seen);
  assert.doesNotMatch(said, /secret|img_/);
  assert.match(said, /"what":"chat_with_images"/);
  assert.equal(seen[0]!.models[0]!.name, 'scripted');
  assert.deepEqual(seen[0]!.downloads, []);
});

test('a download that cannot begin says why', async () => {
  const begin = (model: string) => page('downloads', { method: 'POST', body: JSON.stringify({ model }) });
  assert.equal((await begin('../../etc')).status, 400);
  const without = await door();
  const { key: inside } = (await (
    await fetch(`${without.url}/page/session`, { method: 'POST', headers: bearer(TOKEN), body: '{}' })
  ).json()) as { key: string };
  const refused = await fetch(`${without.url}/page/downloads`, {
    method: 'POST',
    headers: bearer(inside),
    body: '{"model": "a/b"}',
  });
  assert.equal(refused.status, 400);
  await without.close();
});

test('keys and links are bounded; the oldest go', () => {
  const signIns = new SignIns();
  const first = signIns.signIn(1);
  assert.equal(signIns.clientOf(first), 1);
  for (let i = 0; i < 64; i++) signIns.signIn(0);
  assert.equal(signIns.clientOf(first), undefined);
  assert.equal(signIns.clientOf(''), undefined);
});

test('the tree is what the engine holds: of each client its own pictures, and none that was evicted', async () => {
  const engine = new ScriptedEngine();
  const held = await door(engine, { allow: [folder] }, { tokens: [TOKEN, OTHER] });
  const stop = new AbortController();
  const at = async (token: string) => {
    const { key: inside } = (await (
      await fetch(`${held.url}/page/session`, { method: 'POST', headers: bearer(token), body: '{}' })
    ).json()) as { key: string };
    return (path: string, init: RequestInit = {}) =>
      fetch(`${held.url}/page/${path}`, { ...init, headers: bearer(inside) });
  };
  const [mine, others] = [await at(TOKEN), await at(OTHER)];
  const shown = async (client: typeof mine, wanted: (branches: Prefix[]) => boolean): Promise<Prefix[]> => {
    const response = await client('live', { signal: stop.signal });
    let text = '';
    const decoder = new TextDecoder();
    for await (const part of response.body!) {
      text += decoder.decode(part, { stream: true });
      const all = text.split('\n\n');
      text = all.pop()!;
      for (const event of all.filter((one) => one.startsWith('data: {'))) {
        const { prefixes } = JSON.parse(event.slice(6)) as Live;
        if (prefixes && wanted(prefixes.branches)) return prefixes.branches;
      }
    }
    throw new Error('the events ended');
  };
  try {
    const body = JSON.stringify({ arguments: { images: [file], message: 'a secret question' } });
    await events(await mine('tools/chat_with_images', { method: 'POST', body }));
    const [text, image] = await shown(mine, ({ length }) => length === 2);
    assert.deepEqual([text!.tokens, text!.parent, text!.pictures], [16, undefined, []]);
    assert.deepEqual([image!.tokens, image!.parent, image!.where, image!.others], [64, 0, 'both', 0]);
    assert.match(image!.pictures[0]!.id, /^img_/);
    assert.match(image!.pictures[0]!.name!, /red\.png$/);
    const foreign = await shown(others, ({ length }) => length === 2);
    assert.deepEqual([foreign[1]!.pictures, foreign[1]!.others], [[], 1]);
    assert.doesNotMatch(JSON.stringify(foreign), /secret|img_|red/);
    engine.evict();
    const gone = await shown(mine, (branches) => branches.every(({ parent }) => parent === undefined));
    assert.deepEqual(
      gone.map(({ where }) => where),
      ['memory', 'disk'],
    );
  } finally {
    stop.abort();
    await held.close();
  }
});
