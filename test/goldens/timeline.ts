// Drives the two programs of a model through any runner: images to features, prompt to logits, greedy answers.
import { decoderWidths } from '../../src/graph/program.js';
import type { Runner, RunnerRequest, RunnerResult } from '../../src/engine/native.js';
import type { ImagePlan, Model, NamedTensor } from '../../src/models/family.js';
import { linearPositions, mropePositions, type Positions } from '../../src/models/positions.js';
import { visionTokenIds } from '../../src/prompt/prompt.js';
import { visibleEnds } from '../../src/models/visibility.js';

export interface Features {
  /** `features`, `features.1`, …: [tokens, hidden] */
  [name: string]: Float32Array;
}

export interface Prompt {
  ids: number[];
  positions: Positions;
  featureIndex: Int32Array;
  visibleEnd: Int32Array;
  features: Features;
}

export function featureNames(model: Model): string[] {
  const { deepstack } = decoderWidths(model.decoder);
  return ['features', ...Array.from({ length: deepstack }, (_, i) => `features.${i + 1}`)];
}

export async function encodeImage(
  runner: Runner,
  model: Model,
  inputs: Record<string, NamedTensor>,
): Promise<Features> {
  const result = await runner.run({ inputs });
  return Object.fromEntries(featureNames(model).map((name) => [name, result[name]!.data]));
}

/** Features of several images, one after the other. */
export function joinFeatures(model: Model, images: Features[]): Features {
  const join = (name: string): Float32Array =>
    Float32Array.from(images.flatMap((image) => Array.from(image[name]!)));
  return Object.fromEntries(featureNames(model).map((name) => [name, join(name)]));
}

/** @param plans The prompt's images in order; each owns the next `tokens` image tokens. */
export function makePrompt(model: Model, ids: number[], plans: ImagePlan[], features: Features): Prompt {
  const imageTokens = ids.flatMap((id, i) => (visionTokenIds(model).includes(id) ? [i] : []));
  const featureIndex = new Int32Array(ids.length).fill(-1);
  imageTokens.forEach((token, row) => (featureIndex[token] = row));
  let first = 0;
  const spans = plans.map((plan) => ({
    start: imageTokens[(first += plan.tokens) - plan.tokens]!,
    grid: plan.grid!,
  }));
  const positions =
    model.positionAxes === 3 ? mropePositions(ids.length, spans) : linearPositions(ids.length);
  return {
    ids,
    positions,
    featureIndex,
    visibleEnd: visibleEnds(ids, model.imageTokenId, model.visibility),
    features,
  };
}

/** Rows [from, to) of the prompt; logits of the last `logits` rows. */
export function prefill(
  runner: Runner,
  model: Model,
  prompt: Prompt,
  slot: number,
  from: number,
  to: number,
  logits: number,
  taps: string[] = [],
): Promise<RunnerResult> {
  const rows = to - from;
  const { axes } = prompt.positions;
  const inputs: RunnerRequest['inputs'] = {
    input_ids: { data: Int32Array.from(prompt.ids.slice(from, to)), rows },
    position_ids: { data: prompt.positions.data.slice(from * axes, to * axes), rows },
    ...positionsBefore(model, positionsFrom(prompt, from - 1, to - 1), rows),
    feature_index: { data: prompt.featureIndex.slice(from, to), rows },
    logit_rows: { data: Int32Array.from({ length: logits }, (_, i) => rows - logits + i), rows: logits },
  };
  for (const [name, data] of Object.entries(prompt.features))
    inputs[name] = { data, rows: data.length / decoderWidths(model.decoder).hidden };
  const sequences = [{ slot, rows, firstPosition: from, visibleEnd: prompt.visibleEnd.slice(from, to) }];
  return runner.run({ inputs, sequences, taps });
}

/** Items [from, to), which may begin one before the prompt. */
export function positionsFrom({ positions: { data, axes } }: Prompt, from: number, to: number): Int32Array {
  const before = new Int32Array(from < 0 ? axes : 0);
  return Int32Array.from([...before, ...data.slice(Math.max(from, 0) * axes, to * axes)]);
}

/** Where the decoder feeds a head for guesses. */
function positionsBefore(model: Model, data: Int32Array, rows: number): RunnerRequest['inputs'] {
  return model.mtp ? { position_ids_before: { data, rows } } : {};
}

/** One generated token at cache index `at`. */
export function decodeStep(
  runner: Runner,
  model: Model,
  prompt: Prompt,
  slot: number,
  id: number,
  at: number,
): Promise<RunnerResult> {
  const { axes, ropeDelta } = prompt.positions;
  const inputs: RunnerRequest['inputs'] = {
    input_ids: { data: Int32Array.of(id), rows: 1 },
    position_ids: { data: new Int32Array(axes).fill(at + ropeDelta), rows: 1 },
    ...positionsBefore(model, new Int32Array(axes).fill(at - 1 + ropeDelta), 1),
    feature_index: { data: Int32Array.of(-1), rows: 1 },
    logit_rows: { data: Int32Array.of(0), rows: 1 },
  };
  for (const name of featureNames(model)) inputs[name] = { data: new Float32Array(0), rows: 0 };
  return runner.run({ inputs, sequences: [{ slot, rows: 1, firstPosition: at }] });
}

export interface GreedyAnswer {
  ids: number[];
  /** The logits from which each id was taken. */
  steps: Float32Array[];
}

/** Greedy answer of `count` ids after a prefilled prompt whose last row had these logits; stop ids do not end it. */
export async function answerGreedily(
  runner: Runner,
  model: Model,
  prompt: Prompt,
  slot: number,
  logits: Float32Array,
  count: number,
): Promise<GreedyAnswer> {
  const answer: GreedyAnswer = { ids: [], steps: [] };
  let current = logits;
  for (let at = prompt.ids.length; ; at++) {
    const id = current.reduce((best, value, i) => (value > current[best]! ? i : best), 0);
    answer.ids.push(id);
    answer.steps.push(current);
    if (answer.ids.length === count) return answer;
    current = (await decodeStep(runner, model, prompt, slot, id, at))['logits']!.data;
  }
}
