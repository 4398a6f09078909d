// No legal call makes the event loop stand still: what takes long happens in worker threads. What counts is the time that
// the thread has run, in the best of a few rounds: the program's own work is there in every round, what a crowded machine
// adds is not. AFTERIMAGE_LOOP_MS says what is allowed (20), AFTERIMAGE_LOOP_ROUNDS how often it is tried.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, before, test } from 'node:test';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import sharp from 'sharp';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { compare } from '../../src/image/diff-work.js';
import { diffImages } from '../../src/image/diff.js';
import { createImageContext, cropImage, loadImage } from '../../src/image/load.js';
import { thumbnail } from '../../src/image/pixel-jobs.js';
import { createApp, LONGEST_MESSAGE, type App } from '../../src/mcp/app.js';
import { listen } from '../../src/mcp/http.js';
import { WholeLines } from '../../src/mcp/lines.js';
import { createServer } from '../../src/mcp/server.js';
import { systemMessage, userMessage } from '../../src/prompt/layout.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { ScriptedReader } from '../mcp/scripted-reader.js';
import { longestPause } from './loop-pause.js';

const ROUNDS = Number(process.env['AFTERIMAGE_LOOP_ROUNDS'] ?? 9);
const LONGEST_MS = Number(process.env['AFTERIMAGE_LOOP_MS'] ?? 20);
const folder = mkdtempSync(join(tmpdir(), 'afterimage-loop-'));
const photo = join(folder, 'photo.jpg');
const screens = [join(folder, 'a.png'), join(folder, 'b.png')] as const;
const heavy = join(folder, 'heavy.png');

before(async () => {
  const noise = (width: number, height: number) =>
    sharp({
      create: {
        width,
        height,
        channels: 3 as const,
        background: '#456',
        noise: { type: 'gaussian' as const, mean: 128, sigma: 40 },
      },
    });
  writeFileSync(photo, await noise(4000, 3000).jpeg().toBuffer());
  writeFileSync(heavy, await noise(2600, 2400).png({ compressionLevel: 0 }).toBuffer());
  for (const [i, screen] of screens.entries()) {
    const page = sharp({ create: { width: 5000, height: 4000, channels: 3, background: '#fff' } });
    const mark = { create: { width: 900, height: 700, channels: 3 as const, background: '#a00' } };
    writeFileSync(
      screen,
      await page
        .composite([{ input: mark, left: 400 * i, top: 300 }])
        .png()
        .toBuffer(),
    );
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** @param prepare Does what is not to be measured, such as starting other programs, and gives what is. */
async function staysAwake(what: string, prepare: () => () => Promise<unknown>): Promise<void> {
  const pauses: number[] = [];
  for (let round = 0; round < ROUNDS && !pauses.some((pause) => pause <= LONGEST_MS); round++)
    pauses.push(await longestPause(prepare()));
  assert.ok(
    Math.min(...pauses) <= LONGEST_MS,
    `${what}: the loop stood still for ${pauses.join(', ')} ms; ${LONGEST_MS} ms are allowed`,
  );
}

test('the measure sees a comparison that is made in this thread', async () => {
  const context = createImageContext({ folders: 'everywhere' });
  const [a, b] = await Promise.all(screens.map(async (file) => (await loadImage(file, context)).pixels()));
  const pause = await longestPause(async () =>
    compare({ before: a!, after: b!, threshold: 0.1, ignoreRegions: [], maxRegions: 12 }),
  );
  assert.ok(pause > 5 * LONGEST_MS, `${pause} ms`);
});

test(
  'the event loop goes on under photographs, comparisons, crops and questions',
  { timeout: 600_000 },
  async () => {
    const engine = new LocalEngine({ threads: 1 });
    const first = createImageContext({ folders: 'everywhere' });
    // Threads, libraries and the model are there before anything is measured.
    const small = await loadImage(screens[0], first);
    await engine.open().ask([systemMessage(), userMessage([small], 'What?')], { maxTokens: 1 });
    await staysAwake('a mixed load', () => async () => {
      const context = createImageContext({ folders: 'everywhere' });
      const [image, a, b] = await Promise.all([photo, ...screens].map((file) => loadImage(file, context)));
      const part = await cropImage(image!, { x: 10, y: 20, width: 2000, height: 1500 });
      await Promise.all([
        diffImages(a!, b!).then((diff) => diff.picture(800)),
        image!.pixels().then((pixels) => thumbnail({ image: pixels, maxSide: 512 })),
        engine.open().ask([systemMessage(), userMessage([part], 'What?')], { maxTokens: 4 }),
      ]);
    });
    await engine.close();
  },
);

/** A program that is told to send a call with the pictures as data, and prints what it gets. */
const CLIENT = `
const [kind, target, ...files] = process.argv.slice(1);
const images = files.map((file) => 'data:image/png;base64,' + require('fs').readFileSync(file, 'base64'));
const about = { 'io.modelcontextprotocol/protocolVersion': '2025-11-25' };
const say = (id, method, params) => JSON.stringify({ jsonrpc: '2.0', id, method, params });
const hello = say(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } });
const call = say(2, 'tools/call', { name: 'chat_with_images', arguments: { images, message: 'What?' } });
process.stdin.once('data', async () => {
  process.stdin.destroy();
  if (kind === 'lines') return process.stdout.write(hello + '\\n' + call + '\\n');
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const greeted = await fetch(target, { method: 'POST', headers, body: hello });
  await greeted.text();
  const session = greeted.headers.get('mcp-session-id');
  const answer = await fetch(target, { method: 'POST', headers: { ...headers, 'mcp-session-id': session }, body: call });
  process.stdout.write(await answer.text());
});
`;

function client(...args: string[]) {
  const child = spawn(process.execPath, ['-e', CLIENT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  return { output: child.stdout, go: () => child.stdin.end('go'), ended: once(child, 'close') };
}

function app(): App {
  const log = { level: 'silent' as const };
  return createApp({ engine: new ScriptedEngine(), reader: new ScriptedReader(), log });
}

const ANSWERED = /"image_id[\\":]+img_[0-9a-f]{32}/;

test('it goes on while large pictures come inside of requests', { timeout: 120_000 }, async (t) => {
  const room = app();
  const served = await listen(({ era }) => createServer(room, { era }), { port: 0, log: room.log });
  t.after(() => served.close());
  const prepare = (...files: string[]) => {
    const { output, go, ended } = client('http', served.url, ...files);
    return async () => {
      let answer = '';
      output.on('data', (chunk) => (answer += chunk));
      go();
      await ended;
      assert.match(answer, ANSWERED);
    };
  };
  await prepare(photo)();
  await staysAwake('HTTP', () => prepare(heavy, heavy, heavy, photo));
});

test('and while they come in lines', { timeout: 120_000 }, async () => {
  const room = app();
  const prepare = (...files: string[]) => {
    const { output, go } = client('lines', '', ...files);
    return async () => {
      let answer = '';
      const answered = new Promise<void>((resolve) => {
        const out = new Writable({
          write(chunk, _encoding, done) {
            answer += chunk;
            if (answer.includes('"id":2')) resolve();
            done();
          },
        });
        const lines = output.pipe(new WholeLines(LONGEST_MESSAGE, () => assert.fail('too long')));
        // What ends the stream also ends the calls.
        lines.end = () => lines;
        serveStdio(({ era }) => createServer(room, { era }), {
          transport: new StdioServerTransport(lines as never, out),
        });
      });
      go();
      await answered;
      assert.match(answer, ANSWERED);
    };
  };
  await prepare(photo)();
  await staysAwake('stdio', () => prepare(heavy, heavy, heavy, photo));
});
