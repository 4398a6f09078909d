// Honest and hostile clients of one engine at a time: the honest ones get, bit for bit, what an engine that has seen
// nothing says. AFTERIMAGE_WALK_SECONDS=600 before each release; then at another seed each time, which is told.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Answer, AskOptions } from '../../src/engine/engine.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { RemoteEngine } from '../../src/engine/remote/remote-engine.js';
import type { Message } from '../../src/prompt/message.js';
import { ended } from '../ended.js';
import { random, type Random } from '../fuzz/mutations.js';
import { Children } from './children.js';
import { conversation, picture, SMALL_MODEL } from './small-model.js';
import { visit } from './strangers.js';

const given = process.env['AFTERIMAGE_WALK_SECONDS'];
const SECONDS = Number(given ?? 4);
const SEED = Number(process.env['AFTERIMAGE_WALK_SEED'] ?? (given === undefined ? 1 : Date.now() >>> 0));
const HONEST = 3;
const HOSTILE = 2;
const OPTIONS: AskOptions = { maxTokens: 4, certainty: true };
const pictures = Array.from({ length: 12 }, (_, number) => picture(number));

type Said = Pick<Answer, 'text' | 'tokenIds' | 'stopReason' | 'certainty'>;

function said({ text, tokenIds, stopReason, certainty }: Answer): Said {
  return { text, tokenIds, stopReason, certainty };
}

/** By engines that answer one question in their lives. */
class Cold {
  readonly #answers = new Map<string, Promise<Said>>();

  get questions(): number {
    return this.#answers.size;
  }

  answer(messages: Message[]): Promise<Said> {
    const key = JSON.stringify(messages);
    let known = this.#answers.get(key);
    if (!known) this.#answers.set(key, (known = this.#asked(messages)));
    return known;
  }

  async #asked(messages: Message[]): Promise<Said> {
    const engine = new LocalEngine({ model: SMALL_MODEL, threads: 1 });
    try {
      return said(await engine.open().ask(messages, OPTIONS));
    } finally {
      await engine.close();
    }
  }
}

const counts = { compared: 0, warm: 0, cancelled: 0, visits: 0 };
const cold = new Cold();

/** Asks until the end, in sessions and connections that come and go. */
async function honest(path: string, end: number, next: Random): Promise<void> {
  let client = new RemoteEngine(path);
  let session = client.open();
  while (performance.now() < end) {
    const messages = conversation(pictures, next);
    const signal = next() < 0.15 ? AbortSignal.timeout(Math.ceil(next() * 60)) : undefined;
    const answer = await session.ask(messages, { ...OPTIONS, signal });
    if (answer.stopReason === 'cancelled') counts.cancelled++;
    else {
      assert.deepEqual(said(answer), await cold.answer(messages));
      counts.compared++;
      if (answer.cache.source !== 'none') counts.warm++;
    }
    if (next() < 0.2) session = next() < 0.5 ? session.fork() : client.open();
    if (next() < 0.05) {
      await client.close();
      client = new RemoteEngine(path);
      session = client.open();
    }
  }
  await client.close();
}

async function hostile(path: string, end: number, next: Random): Promise<void> {
  for (; performance.now() < end; counts.visits++) await visit(path, pictures, next);
}

test(
  `honest clients among hostile ones for ${SECONDS} s`,
  { timeout: SECONDS * 1000 + 300_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'afterimage-walk-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 's.sock');
    const shared = await new Children(folder).serve(path);
    t.after(() => shared.kill('SIGKILL'));
    const end = performance.now() + SECONDS * 1000;
    await Promise.all([
      ...Array.from({ length: HONEST }, (_, i) => honest(path, end, random(SEED + i))),
      ...Array.from({ length: HOSTILE }, (_, i) => hostile(path, end, random(SEED + 100 + i))),
    ]);
    shared.kill('SIGTERM');
    await ended(shared);
    t.diagnostic(`seed ${SEED}: ${JSON.stringify({ ...counts, questions: cold.questions })}`);
    assert.ok(counts.compared > 0 && counts.warm > 0 && counts.visits > 0, JSON.stringify(counts));
  },
);
