// Thousands of short conversations over an engine that others share, clients killed in the middle of a message, engines
// killed at work: memory stays flat, nothing stays open and no process is left. AFTERIMAGE_SOAK=1 is the whole size,
// to be run before each release; a test run takes a twentieth.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RemoteEngine } from '../../src/engine/remote/remote-engine.js';
import { AfterimageError } from '../../src/errors.js';
import { packageVersion } from '../../src/version.js';
import { ended } from '../ended.js';
import { random, type Random } from '../fuzz/mutations.js';
import { Children } from './children.js';
import { conversation, picture } from './small-model.js';
import { frame } from './strangers.js';

const SCALE = Number(process.env['AFTERIMAGE_SOAK'] ?? 0.05);
const scaled = (whole: number): number => Math.max(1, Math.round(whole * SCALE));
const [SESSIONS, CLIENTS, KILLED, ENGINES] = [2000, 50, 100, 20].map(scaled) as [
  number,
  number,
  number,
  number,
];
const MEBI = 2 ** 20;
/** What a heap may grow between two collections. */
const FLAT_BYTES = 64 * MEBI;

const folder = mkdtempSync(join(tmpdir(), 'afterimage-soak-'));
const path = join(folder, 's.sock');
const pictures = Array.from({ length: 40 }, (_, number) => picture(number));
let engine: ChildProcess;

const children = new Children(folder);
const serve = (): Promise<ChildProcess> => children.serve(path);
before(async () => void (engine = await serve()), { timeout: 300_000 });
after(() => {
  engine?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Resident bytes and open files of a process; zeros where the system does not say. */
function taken({ pid }: { pid?: number }): { bytes: number; files: number } {
  if (!existsSync('/proc/self/statm')) return { bytes: 0, files: 0 };
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]);
  return { bytes: pages * 4096, files: readdirSync(`/proc/${pid}/fd`).length };
}

/** Sessions one after the other: asked once or twice, forked, cut short or left unasked. */
async function converse(client: RemoteEngine, sessions: number, next: Random): Promise<number> {
  let answers = 0;
  for (let i = 0; i < sessions; i++) {
    const session = client.open();
    for (let asked = 0; asked < (next() < 0.5 ? 1 : 2); asked++) {
      const signal = next() < 0.1 ? AbortSignal.timeout(Math.ceil(next() * 50)) : undefined;
      const answer = await session.ask(conversation(pictures, next), { maxTokens: 2, signal });
      if (answer.stopReason !== 'cancelled') answers++;
    }
    if (next() < 0.1) session.fork().close();
    session.close();
  }
  return answers;
}

/** A program that connects, says a part of something and waits to be killed. */
const DYING = `
const [path, said] = process.argv.slice(1);
const socket = require('net').createConnection(path, () => socket.write(said, () => process.stdin.resume()));
socket.on('error', () => {});
`;

async function killedInMidMessage(next: Random): Promise<void> {
  const { pixelHash, width, height } = pictures[0]!;
  const hello = frame({ jsonrpc: '2.0', id: 0, method: 'hello', params: { version: packageVersion() } });
  const ask = frame({
    jsonrpc: '2.0',
    id: 1,
    method: 'ask',
    params: {
      call: 1,
      session: 'dying',
      images: [{ pixelHash, width, height }],
      messages: [{ role: 'user', content: [{ type: 'image', image: 0 }] }],
      options: {},
    },
  });
  const whole = hello + (next() < 0.3 ? ask : '') + ask;
  const child = children.start([
    '-e',
    DYING,
    path,
    whole.slice(0, whole.length - 1 - Math.floor(next() * ask.length * 0.9)),
  ]);
  await sleep(150 + next() * 300);
  child.kill('SIGKILL');
  await ended(child);
}

test(
  `${SESSIONS} sessions of ${CLIENTS} clients, ${KILLED} killed in the middle of a message`,
  { timeout: 7_200_000 },
  async (t) => {
    const clients = Array.from({ length: CLIENTS }, () => new RemoteEngine(path));
    const part = async (sessions: number, seed: number): Promise<number> => {
      const each = Math.ceil(sessions / CLIENTS);
      const answers = await Promise.all(clients.map((client, i) => converse(client, each, random(seed + i))));
      return answers.reduce((sum, count) => sum + count, 0);
    };
    // Code, caches and pools reach their size first.
    let answers = await part(SESSIONS / 4, 1);
    const before = taken(engine);
    const killing = (async () => {
      const next = random(77);
      for (let i = 0; i < KILLED; i++) await killedInMidMessage(next);
    })();
    answers += await part((SESSIONS * 3) / 4, 1000);
    await killing;
    await Promise.all(clients.map((client) => client.close()));
    // What was cut off is noticed by then.
    await sleep(1000);
    const afterwards = taken(engine);
    t.diagnostic(`${answers} answers; ${shown(before)} before, ${shown(afterwards)} afterwards`);
    assert.ok(afterwards.bytes - before.bytes < FLAT_BYTES, 'the memory of the engine grew');
    assert.ok(afterwards.files <= before.files, 'the engine holds files open');
  },
);

function shown({ bytes, files }: { bytes: number; files: number }): string {
  return `${Math.round(bytes / MEBI)} MiB and ${files} files`;
}

test(`${ENGINES} engines killed at work`, { timeout: 7_200_000 }, async (t) => {
  const client = new RemoteEngine(path);
  const before = taken(process);
  let [answered, lost] = [0, 0];
  for (let i = 0; i < ENGINES; i++) {
    const next = random(5000 + i);
    const asked = Array.from({ length: 8 }, () =>
      client
        .open()
        .ask(conversation(pictures, next), { maxTokens: 8 })
        .then(
          () => answered++,
          (error: unknown) => {
            assert.ok(error instanceof AfterimageError && error.code === 'ENGINE_UNREACHABLE', String(error));
            lost++;
          },
        ),
    );
    await sleep(next() * 60);
    engine.kill('SIGKILL');
    await Promise.all([ended(engine), ...asked]);
    engine = await serve();
  }
  const answer = await client.open().ask(conversation(pictures, random(1)), { maxTokens: 2 });
  assert.ok(answer.tokenIds.length > 0, 'the next engine serves the same client');
  await client.close();
  const afterwards = taken(process);
  t.diagnostic(`${answered} answers, ${lost} lost; ${shown(before)} before, ${shown(afterwards)} afterwards`);
  assert.ok(afterwards.bytes - before.bytes < 2 * FLAT_BYTES, 'the memory of a client grew');
  assert.ok(afterwards.files <= before.files + 4, 'a client holds files open');
});

test('no process is left', { timeout: 60_000 }, async (t) => {
  engine.kill('SIGTERM');
  await ended(engine);
  const left = children.left();
  t.diagnostic(`${children.started} processes started, ${left.length} left`);
  assert.deepEqual(left, []);
  assert.equal(existsSync(path), false, 'the last engine took its socket with it');
});
