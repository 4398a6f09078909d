// One turn of one case, stage by stage: layout and positions, pixels, vision features, hidden states, logits, greedy
// ids. Each stage starts from recorded values where there are any, so that a failure names the stage that is wrong.
import type { Runner } from '../../src/engine/native.js';
import type { ImagePlan, Model, NamedTensor } from '../../src/models/family.js';
import { FRAMES_A_MOMENT } from '../../src/image/rgb-image.js';
import { visionTokenIds } from '../../src/prompt/prompt.js';
import { seenIn, type GoldenCase, type GoldenTurn, type Seen } from './case-files.js';
import { checkMtp, checkMtpLayer, MTP_TAPS } from './check-mtp.js';
import type { PromptPath } from './prompt-path.js';
import { RecordedPixels, TilesFirst } from './recorded-pixels.js';
import { meanDifference, type Tally } from './tally.js';
import {
  answerGreedily,
  encodeImage,
  featureNames,
  joinFeatures,
  makePrompt,
  prefill,
  type Features,
  type Prompt,
} from './timeline.js';

/** Absolute limits of the goldens' README for f32 against f32. */
const LIMITS = { features: 1e-4, hidden: 5e-4, logits: 2e-3 };

/** Of a grey level: another filter or rounding shows here, a decoder's last bit does not. */
const MOST_ON_AVERAGE = 0.05;

export interface Machine {
  model: Model;
  vision: Runner;
  decoder: Runner;
  /** Where the decoder has a head for guesses. */
  mtp?: Runner | undefined;
  layers: number;
  promptPath: PromptPath;
  /** eos ids of generation_config.json. */
  generationStops: number[];
}

export async function checkTurn(
  machine: Machine,
  golden: GoldenCase,
  t: number,
  tally: Tally,
  family: string,
): Promise<void> {
  const { model, vision } = machine;
  const turn = golden.turns[t]!;
  const where = `${family}/${golden.name} turn ${t}`;
  const images = await seenIn(golden.folder, turn);
  const plans = images.map(({ image: { width, height }, moment }) =>
    moment
      ? model.processor.planMoment!(width, height / FRAMES_A_MOMENT, moment)
      : model.processor.plan(width, height),
  );
  checkLayout(model, where, turn, plans, tally);
  checkPrompt(machine, where, turn, images, tally);

  const own = images.map(({ image }, i) => model.processor.inputs(image, plans[i]!));
  own.forEach((image, i) => checkSymbols(model, where, image, plans[i]!, tally));
  const inputs = withRecordedPixels(machine, golden, t, where, own, plans, tally);
  const encoded: Features[] = [];
  for (const image of inputs) encoded.push(await encodeImage(vision, model, image));
  const features = joinFeatures(model, encoded);
  featureNames(model).forEach((name, i) => {
    const expected = golden.expected(t, i === 0 ? 'vision_features' : `deepstack.${i - 1}`);
    if (expected)
      tally.close(where, i === 0 ? 'vision' : 'deepstack', features[name]!, expected.data, LIMITS.features);
  });

  const prompt = makePrompt(model, turn.input_ids, plans, features);
  if (turn.position_ids) {
    const { data, axes, ropeDelta } = prompt.positions;
    tally.equal(
      where,
      'position ids',
      turn.position_ids.map((_, axis) => turn.input_ids.map((_, i) => data[i * axes + axis])),
      turn.position_ids,
    );
    tally.equal(where, 'rope delta', ropeDelta, turn.rope_delta);
  }
  await checkAnswer(machine, golden, t, where, prompt, tally);
}

function checkLayout(model: Model, where: string, turn: GoldenTurn, plans: ImagePlan[], tally: Tally): void {
  checkGeometry(where, turn.layout, plans, tally);
  const tokens = turn.input_ids.filter((id) => visionTokenIds(model).includes(id)).length;
  tally.equal(
    where,
    'image tokens',
    plans.reduce((sum, plan) => sum + plan.tokens, 0),
    tokens,
  );
}

/** Geometry of an image that is a list, recorded as one list for all images. */
const VIEW_BY_VIEW = ['spatial_shapes', 'target_sizes'];

/** What the reference states of its images, against the plans for them. */
export function checkGeometry(
  where: string,
  layout: GoldenTurn['layout'],
  plans: ImagePlan[],
  tally: Tally,
): void {
  for (const [key, expected] of Object.entries(layout)) {
    if (key.startsWith('pixel_values')) continue;
    const actual = plans.flatMap((plan) =>
      VIEW_BY_VIEW.includes(key) ? (plan.layout[key] as unknown[]) : [plan.layout[key]],
    );
    tally.equal(where, key, actual, expected);
  }
}

/** Through templates, expansion and tokenizer as users' prompts go. A failure here does not stop the later stages. */
function checkPrompt(
  { model, promptPath }: Machine,
  where: string,
  turn: GoldenTurn,
  images: Seen[],
  tally: Tally,
): void {
  try {
    const prompt = promptPath(turn, images);
    if (!model.renderPrompt) tally.equal(where, 'rendered prompt', prompt.rendered, asImages(turn.prompt));
    tally.equal(where, 'input ids', Array.from(prompt.ids), turn.input_ids);
  } catch (error) {
    tally.fail(where, `input ids: ${String(error)}`);
  }
}

/** Templates write the same marks around a timeline's placeholder as around an image's, so ours are asked for an image. */
function asImages(prompt: string): string {
  return prompt.replaceAll('<|video_pad|>', '<|image_pad|>');
}

/** The plan's row counts, from which memory is predicted, are those of the inputs made later. */
function checkSymbols(
  model: Model,
  where: string,
  inputs: Record<string, NamedTensor>,
  plan: ImagePlan,
  tally: Tally,
): void {
  const { values, inputs: indices } = model.vision;
  const rows = (index: number): number | undefined => {
    const declared = values[index]!.rows;
    if ('constant' in declared) return declared.constant;
    return (plan.symbols[declared.symbol]! * (declared.mul ?? 1)) / (declared.div ?? 1);
  };
  const planned = Object.fromEntries(indices.map((index) => [values[index]!.name, rows(index)]));
  const made = Object.fromEntries(
    indices.map((index) => [values[index]!.name, inputs[values[index]!.name]?.rows]),
  );
  tally.equal(where, 'rows of vision inputs', made, planned);
}

/** Checks our pixels within one grey level and goes on with the recorded ones. */
function withRecordedPixels(
  machine: Machine,
  golden: GoldenCase,
  t: number,
  where: string,
  own: Record<string, NamedTensor>[],
  plans: ImagePlan[],
  tally: Tally,
): Record<string, NamedTensor>[] {
  const recorded = golden.expected(t, 'pixel_values');
  if (!recorded) return own;
  const tiles = golden.expected(t, 'pixel_values_local');
  const pixels = tiles ? new TilesFirst(tiles, recorded) : new RecordedPixels(recorded);
  return own.map((inputs, i) => {
    const rows = pixels.next(inputs['pixel_values']!, plans[i]!);
    const grey = machine.model.processor.pixelStep;
    tally.close(where, 'pixels', inputs['pixel_values']!.data, rows.data, grey * 1.01);
    tally.close(
      where,
      'pixels on average',
      [meanDifference(inputs['pixel_values']!.data, rows.data)],
      [0],
      grey * MOST_ON_AVERAGE,
    );
    return { ...inputs, pixel_values: rows };
  });
}

async function checkAnswer(
  machine: Machine,
  golden: GoldenCase,
  t: number,
  where: string,
  prompt: Prompt,
  tally: Tally,
): Promise<void> {
  const { model, decoder, layers } = machine;
  const turn = golden.turns[t]!;
  const length = prompt.ids.length;
  const { mtp } = machine;
  const outputs = Array.from({ length: layers }, (_, i) => `layers.${i}.output`);
  const taps = mtp ? [...outputs, ...MTP_TAPS] : outputs;
  const expectedLogits = golden.expected(t, 'prompt_logits')!;
  const result = await prefill(decoder, model, prompt, 0, 0, length, expectedLogits.shape[0]!, taps);
  outputs.forEach((name, i) => {
    const { data, width } = result[name]!;
    tally.close(
      where,
      'hidden',
      data.subarray(data.length - width),
      golden.expected(t, `hidden.${i}`)!.data,
      LIMITS.hidden,
    );
  });
  const logits = result['logits']!;
  tally.close(where, 'prompt logits', logits.data, expectedLogits.data, LIMITS.logits);

  const answer = await answerGreedily(
    decoder,
    model,
    prompt,
    0,
    logits.data.slice(-logits.width),
    turn.generated_ids.length,
  );
  decoder.reset(0);
  tally.equal(where, 'greedy ids', answer.ids, turn.generated_ids);
  checkStop(machine, where, turn, tally);
  tally.close(
    where,
    'step logits',
    answer.steps.flatMap((step) => Array.from(step)),
    golden.expected(t, 'step_logits')!.data,
    LIMITS.logits,
  );
  if (mtp) {
    checkMtpLayer(golden, t, where, result, tally);
    if (turn.image_runs.length === 0)
      await checkMtp({ model, decoder, mtp }, golden, t, where, prompt, tally);
  }
  if (turn.common_prefix) await checkContinued(machine, golden, t, where, prompt, turn.common_prefix, tally);
}

/**
 * Where the recorded answer ends by itself, its last id must be one of ours. Recorded answers may run past ids of
 * generation_config.json (quantized sets were made without it), but not past any other stop id we assume.
 */
function checkStop({ model, generationStops }: Machine, where: string, turn: GoldenTurn, tally: Tally): void {
  const ids = turn.generated_ids;
  const passed = (turn.finish_reason === 'stop' ? ids.slice(0, -1) : ids).filter((id) =>
    model.eosTokenIds.includes(id),
  );
  tally.equal(
    where,
    'stop ids passed over',
    passed.filter((id) => !generationStops.includes(id)),
    [],
  );
  if (turn.finish_reason === 'stop')
    tally.equal(where, 'stops', model.eosTokenIds.includes(ids.at(-1)!), true);
}

/** The same prompt from a prefix that is already in the cache. */
async function checkContinued(
  { model, decoder }: Machine,
  golden: GoldenCase,
  t: number,
  where: string,
  prompt: Prompt,
  prefix: number,
  tally: Tally,
): Promise<void> {
  const slot = 1;
  await prefill(decoder, model, prompt, slot, 0, prefix, 1);
  const { data, width } = (await prefill(decoder, model, prompt, slot, prefix, prompt.ids.length, 1))[
    'logits'
  ]!;
  decoder.reset(slot);
  tally.close(
    where,
    'continued logits',
    data,
    golden.expected(t, 'prompt_logits')!.data.subarray(-width),
    LIMITS.logits,
  );
}
