// Fifty plain clients of chat completions at once, some of them leaving in the middle: every answer is the one that the
// same question has alone, memory stays flat, and how long answers take is said. AFTERIMAGE_SOAK=1 is five minutes, to be
// run before each release; a test run takes a few seconds.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { oneOf, random, type Random } from '../fuzz/mutations.js';
import { served, type Served } from '../http/served.js';
import { scratchFolder } from '../scratch-folder.js';
import { starterFolder } from '../../src/engine/model-folder.js';

const SECONDS = 300 * Number(process.env['AFTERIMAGE_SOAK'] ?? 0.03);
const CLIENTS = 50;
const MEBI = 2 ** 20;
/** What a heap may grow between two collections. */
const FLAT_BYTES = 64 * MEBI;
const QUESTIONS = ['What is the title?', 'How many buttons are there?', 'Which field is first?'];

const folder = join(starterFolder(), 'examples');
const token = join(scratchFolder('load'), 'token');
const pictures = readdirSync(folder)
  .filter((name) => name.endsWith('.png'))
  .map((name) => join(folder, name));
let server: Served;

before(async () => void (server = await served(token, folder)), { timeout: 300_000 });
after(() => server?.end('SIGKILL'));

interface Asked {
  picture: string;
  question: string;
  stream: boolean;
}

/** The answer's text. @throws where the client left first */
async function ask({ picture, question, stream }: Asked, signal?: AbortSignal): Promise<string> {
  const content = [
    { type: 'image_url', image_url: { url: picture } },
    { type: 'text', text: question },
  ];
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    signal,
    headers: {
      authorization: `Bearer ${readFileSync(token, 'utf8').trim()}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ messages: [{ role: 'user', content }], max_tokens: 8, stream }),
  });
  const body = await response.text();
  assert.equal(response.status, 200, body);
  type Choice = { message?: { content: string }; delta?: { content?: string } };
  const text = (json: string) =>
    (JSON.parse(json) as { choices: Choice[] }).choices
      .map(({ message, delta }) => message?.content ?? delta?.content ?? '')
      .join('');
  if (!stream) return text(body);
  const events = body.split('\n\n').filter((event) => event.startsWith('data: {'));
  assert.match(body, /data: \[DONE\]/);
  return events.map((event) => text(event.slice('data: '.length))).join('');
}

/** Resident bytes of the server; 0 where the system does not say. */
function resident(): number {
  const file = `/proc/${server.child.pid}/statm`;
  return existsSync(file) ? 4096 * Number(readFileSync(file, 'latin1').split(' ')[1]) : 0;
}

test(`${CLIENTS} clients for ${SECONDS} s`, { timeout: 3_600_000 }, async (t) => {
  const alone = new Map<string, string>();
  for (const picture of pictures)
    for (const question of QUESTIONS)
      alone.set(picture + question, await ask({ picture, question, stream: false }));
  assert.ok(new Set(alone.values()).size > 1, 'questions have answers of their own');

  const taken: number[] = [];
  let [left, wrong] = [0, 0];
  const converse = async (next: Random, until: number): Promise<void> => {
    while (performance.now() < until) {
      const asked = {
        picture: oneOf(pictures, next),
        question: oneOf(QUESTIONS, next),
        stream: next() < 0.5,
      };
      const leaving = next() < 0.2 ? AbortSignal.timeout(Math.ceil(next() * 400)) : undefined;
      const begun = performance.now();
      try {
        const text = await ask(asked, leaving);
        if (text !== alone.get(asked.picture + asked.question)) wrong++;
        taken.push(performance.now() - begun);
      } catch (error) {
        if (!leaving?.aborted) throw error;
        left++;
      }
      await sleep(next() * 20);
    }
  };
  const all = async (seconds: number, seed: number): Promise<void> => {
    const until = performance.now() + 1000 * seconds;
    await Promise.all(Array.from({ length: CLIENTS }, (_, i) => converse(random(seed + i), until)));
  };
  // Code, caches and pools reach their size first.
  await all(SECONDS / 3, 1);
  const before = resident();
  taken.length = 0;
  await all((SECONDS * 2) / 3, 1000);
  const grown = resident() - before;

  taken.sort((a, b) => a - b);
  const share = (part: number) => `${Math.round(taken[Math.floor(taken.length * part)] ?? NaN)} ms`;
  t.diagnostic(
    `${taken.length} answers, ${left} left before theirs; p50 ${share(0.5)}, p95 ${share(0.95)}; ` +
      `${Math.round(before / MEBI)} MiB, then ${Math.round(grown / MEBI)} more`,
  );
  assert.equal(wrong, 0, 'answers that were not those of the question alone');
  assert.ok(taken.length >= 10, 'there were answers');
  assert.ok(left > 0, 'some left');
  assert.ok(grown < FLAT_BYTES, 'the memory of the server grew');
});
