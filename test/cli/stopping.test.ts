// SIGTERM, and a client that has gone, end every server soon, whatever it is doing: starting, loading, reading, looking,
// streaming, or waiting for others that say nothing.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { loopback } from '../http/loopback.js';
import { built } from '../built.js';
import { ended } from '../ended.js';
import { ROOT } from '../mcp/clients.js';

/** Two seconds are promised; the rest is for machines that are busy with other things. */
const SOON_MS = Number(process.env['AFTERIMAGE_STOP_MS'] ?? 6000);

const folder = mkdtempSync(join(tmpdir(), 'afterimage-stopping-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const photo = join(folder, 'photo.png');
await sharp({ create: { width: 3000, height: 2000, channels: 3, background: '#fff' } })
  .composite([{ input: join(ROOT, 'models/starter/examples/login.png'), left: 40, top: 60 }])
  .png()
  .toFile(photo);
const data = readFileSync(photo).toString('base64');

function started(...args: string[]): ChildProcess {
  const own = ['--cache-dir', join(folder, 'cache'), '--threads', '1'];
  return spawn(process.execPath, [built(), ...args, ...(args.includes('--remote') ? [] : own)], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** The address that the program tells, which it has then. */
async function address(child: ChildProcess): Promise<string> {
  let said = '';
  for await (const line of createInterface({ input: child.stderr! })) {
    said += line;
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
    if (url) return url;
  }
  assert.fail(said);
}

const say = (id: number | undefined, method: string, params: object = {}): string =>
  JSON.stringify({ jsonrpc: '2.0', id, method, params });
const HELLO = say(1, 'initialize', {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 't', version: '1' },
});
const call = (name: string): string =>
  say(2, 'tools/call', { name, arguments: { image: photo }, _meta: { progressToken: 1 } });

function asked(child: ChildProcess, tool: string): void {
  child.stdin!.write([HELLO, say(undefined, 'notifications/initialized'), call(tool), ''].join('\n'));
}

/** What it says is read on afterwards: a pipe closed on it would end it before it is stopped. */
async function heardOf(child: ChildProcess, stage: RegExp): Promise<void> {
  let said = '';
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    if (stage.test(said)) return;
  }
  assert.fail(`It ended, and said ${said}`);
}

const mcp = (): ChildProcess => started('mcp', '--allow', folder);

/** Programs in a state in which they may be stopped. */
const stdio: Record<string, () => Promise<ChildProcess>> = {
  'that starts': async () => {
    const child = mcp();
    await sleep(300);
    return child;
  },
  'that waits': async () => {
    const child = mcp();
    child.stdin!.write(`${HELLO}\n`);
    await heardOf(child, /"id":1/);
    return child;
  },
  'that begins a call': async () => {
    const child = mcp();
    asked(child, 'describe_image');
    await heardOf(child, /"id":1/);
    return child;
  },
  'that is at work': async () => {
    const child = mcp();
    asked(child, 'describe_image');
    await heardOf(child, /notifications\/progress/);
    return child;
  },
  'that reads text': async () => {
    const child = mcp();
    asked(child, 'ocr');
    await heardOf(child, /"id":1/);
    await sleep(700);
    return child;
  },
  'that gets half a message': async () => {
    const child = mcp();
    child.stdin!.write(`${HELLO}\n${call('ocr').slice(0, -9)}${'A'.repeat(200_000)}`);
    await heardOf(child, /"id":1/);
    return child;
  },
};

const body = JSON.stringify({
  model: 'default',
  stream: true,
  max_tokens: 4000,
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } },
        { type: 'text', text: 'Describe it.' },
      ],
    },
  ],
});

/** Sends it and waits for no answer. */
function post(url: string, headers: Record<string, string> = {}): void {
  fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } }).then(
    (response) => response.text().catch(() => {}),
    () => {},
  );
}

const silent = await loopback((request) => void request.resume());
after(() => silent.close());
const serve = (): ChildProcess =>
  started('serve', '--http', '0', '--socket', join(folder, `${process.hrtime.bigint()}.sock`));
const token = async (child: ChildProcess): Promise<[string, string]> => {
  let said = '';
  for await (const line of createInterface({ input: child.stderr! })) {
    said += line;
    const found = /listens on (http:\S+); the bearer token is in (.*)$/.exec(line);
    if (found) return [new URL(found[1]!).origin, readFileSync(found[2]!.trim(), 'utf8').trim()];
  }
  assert.fail(said);
};

const doors: Record<string, () => Promise<ChildProcess>> = {
  'a server that loads': async () => {
    const child = serve();
    await sleep(500);
    return child;
  },
  'a server that answers': async () => {
    const child = serve();
    const [url, secret] = await token(child);
    post(`${url}/v1/chat/completions`, { authorization: `Bearer ${secret}` });
    await sleep(1500);
    return child;
  },
  'a proxy that looks at a picture': async () => {
    const child = started('proxy', '--upstream', `${silent.url}/v1`, '--port', '0');
    post(`${await address(child)}/v1/chat/completions`);
    await sleep(1000);
    return child;
  },
  'a proxy whose provider is silent': async () => {
    const child = started('proxy', '--upstream', `${silent.url}/v1`, '--port', '0');
    post(`${await address(child)}/v1/other`);
    await sleep(500);
    return child;
  },
};

async function endsSoon(child: ChildProcess, stop: (child: ChildProcess) => void): Promise<void> {
  assert.equal(child.exitCode ?? child.signalCode, null, 'It ended before it was stopped.');
  child.stderr!.resume();
  child.stdout!.resume();
  stop(child);
  const late = setTimeout(() => child.kill('SIGKILL'), SOON_MS);
  const [code, signal] = await ended(child);
  clearTimeout(late);
  // Before it hears signals, one ends it as it ends every program.
  assert.ok(signal === null || signal === 'SIGTERM', `${signal} after ${SOON_MS} ms at the latest`);
  assert.ok([0, 130, null].includes(code), `exit code ${code}`);
}

const limit = { timeout: 120_000 };

describe('an MCP server', () => {
  for (const [state, begin] of Object.entries(stdio)) {
    test(`${state} ends at SIGTERM`, limit, async () =>
      endsSoon(await begin(), (child) => void child.kill('SIGTERM')),
    );
    test(`${state} ends when its client closes stdin`, limit, async () =>
      endsSoon(await begin(), (child) => void child.stdin!.end()),
    );
  }
});

describe('at SIGTERM ends', () => {
  for (const [state, begin] of Object.entries(doors))
    test(state, limit, async () => endsSoon(await begin(), (child) => void child.kill('SIGTERM')));
});
