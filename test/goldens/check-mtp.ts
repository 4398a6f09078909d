// The decoder's own head for guesses: the keys and values that the decoder writes for it, and what it makes of a prompt
// of text and of its own first guess.
import type { Runner, RunnerResult } from '../../src/engine/native.js';
import type { Model } from '../../src/models/family.js';
import type { GoldenCase } from './case-files.js';
import type { Tally } from './tally.js';
import { positionsFrom, prefill, type Prompt } from './timeline.js';

const LIMITS = { hidden: 5e-4, logits: 2e-3 };

/** Taps of a prefill of the whole prompt. */
export const MTP_TAPS = ['mtp.k', 'mtp.v'];

export function checkMtpLayer(
  golden: GoldenCase,
  t: number,
  where: string,
  taps: RunnerResult,
  tally: Tally,
): void {
  for (const name of MTP_TAPS) {
    const { data, width } = taps[name]!;
    // Nobody sees the row of the first token.
    const expected = golden.expected(t, name.replace('.', '_'))!;
    tally.close(where, `head's ${name}`, data.subarray(width), expected.data, LIMITS.hidden);
  }
}

export async function checkMtp(
  { model, decoder, mtp }: { model: Model; decoder: Runner; mtp: Runner },
  golden: GoldenCase,
  t: number,
  where: string,
  prompt: Prompt,
  tally: Tally,
): Promise<void> {
  const rows = prompt.ids.length;
  const { axes, ropeDelta } = prompt.positions;
  const states = (await prefill(decoder, model, prompt, 0, 0, rows, rows))['hidden']!;
  decoder.reset(0);
  const before = new Float32Array(states.data.length);
  before.set(states.data.subarray(0, -states.width), states.width);
  const over = await mtp.run({
    inputs: {
      input_ids: { data: Int32Array.from(prompt.ids), rows },
      position_ids: { data: positionsFrom(prompt, -1, rows - 1), rows },
      'hidden.before': { data: before, rows },
    },
    sequences: [{ slot: 0, rows, firstPosition: 0 }],
  });
  const { data, width } = over['logits']!;
  const expected = golden.expected(t, 'mtp_logits')!;
  tally.close(where, "head's logits", data.subarray(-expected.data.length), expected.data, LIMITS.logits);
  const last = data.subarray(-width);
  const guess = last.indexOf(last.reduce((a, b) => Math.max(a, b)));
  const next = await mtp.run({
    inputs: {
      input_ids: { data: Int32Array.of(guess), rows: 1 },
      position_ids: { data: new Int32Array(axes).fill(rows - 1 + ropeDelta), rows: 1 },
      'hidden.before': { data: over['hidden']!.data.slice(-states.width), rows: 1 },
    },
    sequences: [{ slot: 0, rows: 1, firstPosition: rows }],
  });
  mtp.reset(0);
  tally.close(
    where,
    "head's next logits",
    next['logits']!.data,
    golden.expected(t, 'mtp_next_logits')!.data,
    LIMITS.logits,
  );
}
