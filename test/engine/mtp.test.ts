// Qwen3.5's own head for guesses, on checkpoints in which it is right, or wrong, by construction: every layer adds
// nothing, so that a token's state is its embedding, and the output head goes on in a cycle.
import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BenchModel } from '../../bench/native-model.js';
import { syntheticPrompt } from '../../bench/synthetic-prompt.js';
import type { NativeResult } from '../../src/engine/native-engine.js';
import { openCheckpoint } from '../../src/models/checkpoint/checkpoint-folder.js';
import { CHECKPOINTS } from '../goldens/checkpoints.js';
import { readSafetensors } from '../goldens/reference-weights.js';
import { safetensors, type Tensors } from '../models/tiny-checkpoint.js';
import { scratchFolder } from '../scratch-folder.js';

const GOLDEN = join(CHECKPOINTS, 'qwen3_5-mtp');
/** Width of its states; as many tokens make the cycle, and an answer ends before it closes. */
const N = 32;
const TOKENS = N - 2;
const FIRST = 20;

const next = (place: number): number => (place * 5 + 3) % N; // one cycle of all places
const ANSWER = Array.from({ length: TOKENS }).reduce<number[]>(
  (places) => [...places, next(places.at(-1)!)],
  [0],
);

/** A matrix by its elements that are not 0. */
function matrix(rows: number, columns: number, ones: [row: number, column: number][]): Tensors[string] {
  const values = new Float32Array(rows * columns);
  for (const [row, column] of ones) values[row * columns + column] = 1;
  return { dtype: 'F32', shape: [rows, columns], bytes: new Uint8Array(values.buffer) };
}

const places = Array.from({ length: N }, (_, place) => place);

/** The head's input from [embedding | state before]. */
const HEADS = {
  /** Of a token follows what follows of it. */
  embedding: matrix(
    N,
    2 * N,
    places.map((place) => [place, place]),
  ),
  /** Of the state before: two steps on. */
  state: matrix(
    N,
    2 * N,
    places.map((place) => [next(place), N + place]),
  ),
  /** Of the state before as if it were the token's: one step behind. */
  wrong: matrix(
    N,
    2 * N,
    places.map((place) => [place, N + place]),
  ),
};

function checkpoint(head?: Tensors[string]): string {
  const folder = scratchFolder('mtp');
  cpSync(GOLDEN, folder, { recursive: true, filter: (path) => !path.endsWith('cases') });
  const tensors: Tensors = {};
  for (const [name, { dtype, shape, bytes }] of readSafetensors([join(GOLDEN, 'model.safetensors')])) {
    if (name.startsWith('mtp.') && !head) continue;
    const adds = /(o_proj|out_proj|down_proj)\.weight$/.test(name) && !name.includes('visual');
    tensors[name] = { dtype, shape, ...(!adds && { bytes: new Uint8Array(bytes) }) };
    // Norms that are stored as w and applied as 1 + w.
    if (/(^mtp\.|language_model\.)(pre_fc_norm_\w+|norm)\.weight$/.test(name))
      tensors[name] = { dtype, shape };
  }
  const vocab = tensors['lm_head.weight']!.shape[0]!;
  tensors['model.language_model.embed_tokens.weight'] = matrix(
    vocab,
    N,
    places.map((place) => [FIRST + place, place]),
  );
  tensors['lm_head.weight'] = matrix(
    vocab,
    N,
    places.map((place) => [FIRST + next(place), place]),
  );
  if (head) tensors['mtp.fc.weight'] = head;
  writeFileSync(join(folder, 'model.safetensors'), safetensors(tensors));
  return folder;
}

interface Asked {
  result: NativeResult;
  stats: Record<string, number | string>;
}

async function ask(
  folder: string,
  options: { draft: boolean; draftPrice?: number; seed?: number },
): Promise<Asked> {
  const opened = new BenchModel({
    checkpoint: openCheckpoint(folder),
    ...{ precision: 'exact', kvType: 'f16', threads: 1, kvBytes: 2 ** 24 },
  });
  await opened.load();
  try {
    const prompt = { ...syntheticPrompt(opened.model, [{ text: 1, seed: 0 }]), ids: Int32Array.of(FIRST) };
    const { seed, ...drafts } = options;
    const sampling = seed === undefined ? {} : { temperature: 0.8, seed };
    const result = await opened.ask(prompt, [], TOKENS, [], { captureLogits: true, ...drafts, ...sampling });
    return { result, stats: opened.engine.stats() };
  } finally {
    await opened.engine.close();
  }
}

const same = (a: NativeResult, b: NativeResult): void =>
  assert.deepEqual([a.tokens, a.logits], [b.tokens, b.logits]);

for (const name of ['embedding', 'state'] as const) {
  test(`a head that is right by its ${name} guesses every token of an answer whose bits stay the same`, async () => {
    const folder = checkpoint(HEADS[name]);
    const without = await ask(folder, { draft: false });
    const fast = await ask(folder, { draft: true, draftPrice: 1e-6 });
    assert.deepEqual(
      Array.from(without.result.tokens),
      ANSWER.slice(1).map((place) => FIRST + place),
    );
    same(fast.result, without.result);
    assert.equal(without.stats['headDrafted'], 0);
    // Four guesses and the token behind them a run; the first token comes with the prompt.
    const runs = Math.ceil((TOKENS - 1) / 5);
    assert.equal(fast.stats['decoderRuns'], 1 + runs);
    assert.equal(fast.stats['headDrafted'], TOKENS - 1 - runs);
    assert.equal(fast.stats['headAccepted'], TOKENS - 1 - runs);
  });
}

test('what a head guesses is drawn, too, where answers are: the same tokens, some guessed and some not', async () => {
  const folder = checkpoint(HEADS.state);
  let [drafted, accepted] = [0, 0];
  for (let seed = 1; seed <= 4; seed++) {
    const fast = await ask(folder, { draft: true, draftPrice: 1e-6, seed });
    same(fast.result, (await ask(folder, { draft: false, seed })).result);
    drafted += Number(fast.stats['headDrafted']);
    accepted += Number(fast.stats['headAccepted']);
  }
  assert.ok(accepted > 0 && drafted > accepted, `${accepted} of ${drafted}`);
});

test('a head that is wrong is soon not asked any more', async () => {
  const folder = checkpoint(HEADS.wrong);
  const fast = await ask(folder, { draft: true, draftPrice: 0.1 });
  same(fast.result, (await ask(folder, { draft: false })).result);
  assert.equal(fast.stats['headAccepted'], 0);
  assert.ok(Number(fast.stats['headDrafted']) > 0 && Number(fast.stats['headDrafted']) < TOKENS);
});

test('a checkpoint without a head answers as it would with one', async () => {
  const [plain, headed] = [checkpoint(), checkpoint(HEADS.state)];
  const answer = await ask(plain, { draft: true, draftPrice: 1e-6 });
  same(answer.result, (await ask(headed, { draft: true, draftPrice: 1e-6 })).result);
  assert.equal(answer.stats['headDrafted'], 0);
});
