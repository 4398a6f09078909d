// Handles: how they are minted, expire, are forked and shared, on a clock of the test's own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Conversations, type Conversation } from '../../src/ask/conversations.js';
import { ScriptedEngine } from './scripted-engine.js';

const MINUTE = 60_000;

function setup(limits = {}) {
  const engine = new ScriptedEngine();
  const clock = { now: 0 };
  const conversations = new Conversations(limits, () => clock.now);
  const answered = async (): Promise<Conversation> => {
    const conversation = conversations.start();
    await conversations.use(conversation, engine, async () => {
      conversation.turns = [{ pictures: [], question: 'Q', answer: 'A' }];
    });
    return conversation;
  };
  return { engine, clock, conversations, answered };
}

test('handles have 128 random bits', () => {
  const { conversations } = setup();
  const ids = new Set(Array.from({ length: 200 }, () => conversations.start().id));
  assert.equal(ids.size, 200);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
});

test('idle handles expire, and are told from unknown ones', async () => {
  const { conversations, clock, answered, engine } = setup({ ttlMs: 30 * MINUTE });
  const { id } = await answered();
  clock.now = 29 * MINUTE;
  conversations.get(id);
  clock.now = 58 * MINUTE;
  assert.equal(conversations.get(id).id, id, 'use keeps it');
  clock.now = 89 * MINUTE;
  assert.throws(() => conversations.get(id), {
    code: 'SESSION_EXPIRED',
    message: /30 idle minutes.*Start a new one/,
  });
  assert.throws(() => conversations.get('f'.repeat(32)), {
    code: 'SESSION_NOT_FOUND',
    message: /restarted.*Start a new one/,
  });
  assert.equal(engine.status().sessions, 0, 'its engine session is closed');
});

test('the longest idle handle goes when there are too many', async () => {
  const { conversations, answered } = setup({ handles: 2 });
  const [first, second] = [await answered(), await answered()];
  conversations.get(first.id);
  await answered();
  assert.throws(() => conversations.get(second.id), { code: 'SESSION_EXPIRED' });
  assert.equal(conversations.get(first.id), first);
});

test('engine sessions of idle conversations are released and opened again', async () => {
  const { conversations, answered, engine } = setup({ live: 2 });
  const first = await answered();
  await answered();
  await answered();
  assert.equal(engine.status().sessions, 2);
  assert.equal(first.live, false);
  await conversations.use(first, engine, async (session) => assert.ok(session));
  assert.equal(first.turns.length, 1, 'its history stayed');
});

test('one call at a time', async () => {
  const { engine, conversations, answered } = setup();
  const conversation = await answered();
  await conversations.use(conversation, engine, async () => {
    await assert.rejects(
      conversations.use(conversation, engine, async () => {}),
      { code: 'SESSION_BUSY', message: /fork/ },
    );
  });
  await conversations.use(conversation, engine, async () => {});
});

test('a conversation whose first call fails is forgotten; one that has answered is kept', async () => {
  const { conversations, answered, engine } = setup();
  const fresh = conversations.start();
  const failure = () => Promise.reject(new Error('no'));
  await assert.rejects(conversations.use(fresh, engine, failure));
  assert.throws(() => conversations.get(fresh.id), { code: 'SESSION_NOT_FOUND' });
  const kept = await answered();
  await assert.rejects(conversations.use(kept, engine, failure));
  assert.equal(conversations.get(kept.id), kept);
  assert.equal(engine.status().sessions, 1);
});

test('a fork copies history; while its parent answers, only what is finished', async () => {
  const { engine, conversations, answered } = setup();
  const parent = await answered();
  parent.cut = { text: 'half', tokenIds: [] };
  const copy = conversations.fork(parent.id);
  assert.deepEqual(copy.turns, parent.turns);
  assert.deepEqual(copy.cut, parent.cut);
  assert.ok(copy.live, 'it shares what was computed');
  copy.turns.push({ pictures: [], question: 'Q2', answer: 'A2' });
  assert.equal(parent.turns.length, 1);
  await conversations.use(parent, engine, async () => {
    const early = conversations.fork(parent.id);
    assert.equal(early.cut, undefined);
    assert.equal(early.live, false);
  });
});
