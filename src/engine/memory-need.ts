// What a model needs, told before a weight is read, and what to do instead where there is not so much.
import { decoderWidths } from '../graph/program.js';
import { AfterimageError } from '../errors.js';
import { bytesIn4Bits } from '../models/checkpoint-size.js';
import type { ImagePlan, Model } from '../models/family.js';
import { budgetsWithin, leastBytes, type Budgets, type LeastMemory } from './budgets.js';
import type { NativeEngineOptions, NativeMemoryNeed } from './native-engine.js';
import type { UsableMemory } from './usable-memory.js';
import { loadAddon } from './native.js';
import { SCREEN } from './pace.js';

/** System text and question. */
const QUESTION_TOKENS = 128;
/** Of an answer. */
const ANSWER_TOKENS = 512;
const BLOCK_POSITIONS = 64;
/** A smaller picture shows nothing worth asking about. */
const SMALLEST_PIXELS = 64 * 1024;
const GIB = 2 ** 30;

/** Of a screen seen with each of these processors' limits, in their order. */
export function leastMemory(options: NativeEngineOptions, model: Model, plans: ImagePlan[]): LeastMemory[] {
  const shapes = plans.map(({ symbols, tokens }) => ({ symbols, chunk: chunkOf(model, tokens) }));
  const need = loadAddon().predictMemory(options, shapes);
  return plans.map(({ tokens }, i) => least(model, need, tokens, i));
}

/** Rows that are read in one run: those of an image that sees itself whole, or of a prompt that does. */
function chunkOf({ visibility }: Model, tokens: number): number {
  if (visibility === 'causal') return 0;
  return visibility === 'block' ? tokens : tokens + QUESTION_TOKENS;
}

function least({ decoder }: Model, need: NativeMemoryNeed, tokens: number, index: number): LeastMemory {
  const { hidden, deepstack } = decoderWidths(decoder);
  const { visionBytes, decoderBytes } = need.images[index]!;
  const blocks = Math.ceil((tokens + QUESTION_TOKENS + ANSWER_TOKENS) / BLOCK_POSITIONS);
  return {
    weights: need.weightBytes,
    kv: blocks * need.blockBytes + 2 * need.stateBytes,
    features: tokens * hidden * (deepstack + 1) * Float32Array.BYTES_PER_ELEMENT,
    scratch: { vision: visionBytes, decoder: decoderBytes },
  };
}

/**
 * @param name Of the model, as people know it.
 * @throws AfterimageError OUT_OF_MEMORY with what would fit.
 */
export async function requireMemory(
  name: string,
  options: NativeEngineOptions,
  model: Model,
  memory: UsableMemory,
  given: Partial<Budgets> = {},
): Promise<Budgets> {
  const screen = model.processor.plan(SCREEN.width, SCREEN.height);
  const [needed] = leastMemory(options, model, [screen]) as [LeastMemory];
  const budgets = budgetsWithin(memory, needed, given);
  if (budgets) return budgets;
  const bytes = leastBytes({ ...needed, kv: Math.max(needed.kv, given.kvBytes ?? 0) });
  throw new AfterimageError(
    'OUT_OF_MEMORY',
    `${name} needs ${gib(bytes)} of memory to look at a screen (weights ${gib(needed.weights)}) and ` +
      `${gib(memory.free)} are left of the ${gib(memory.limit)} this process may use; ${await advice(options, model, needed, memory, given)}.`,
  );
}

/** The least change that helps, and what of other models would fit. */
async function advice(
  options: NativeEngineOptions,
  model: Model,
  needed: LeastMemory,
  memory: UsableMemory,
  given: Partial<Budgets>,
): Promise<string> {
  if (given.kvBytes !== undefined && budgetsWithin(memory, needed)) return 'leave out --kv-gb, or lower it';
  const pixels = fittingPixels(options, model, memory);
  if (pixels !== undefined) return `use --max-pixels ${pixels}, or free memory`;
  const other = await fittingModel(needed, memory);
  if (other === undefined) return 'free memory, or raise the limit of the container it runs in';
  const [checkpoint, bytes] = other;
  return `use a smaller model or another quantization: ${checkpoint} in 4 bits takes ${gib(bytes)} (\`afterimage models\` lists more)`;
}

/** The largest limit, in halves of the screen, with which this model would fit. */
function fittingPixels(options: NativeEngineOptions, model: Model, memory: UsableMemory): number | undefined {
  const limits: number[] = [];
  for (let pixels = SCREEN.width * SCREEN.height; pixels >= SMALLEST_PIXELS; pixels /= 2)
    limits.push(Math.floor(pixels));
  const plans = limits.map((most) => model.processor.limitedTo(most).plan(SCREEN.width, SCREEN.height));
  const fits = leastMemory(options, model, plans).findIndex((needs) => budgetsWithin(memory, needs));
  return limits[fits];
}

/** The largest published checkpoint that would fit in 4 bits, with as much beside its weights as this model needs at least. */
async function fittingModel(
  needed: LeastMemory,
  memory: UsableMemory,
): Promise<[string, number] | undefined> {
  const { families } = await import('../models/registry.js');
  const beside = Math.min(leastBytes({ ...needed, weights: 0 }), GIB);
  const [largest] = families
    .flatMap(({ checkpoints }) => checkpoints)
    .map((checkpoint): [string, number] => [checkpoint.name, bytesIn4Bits(checkpoint)])
    .filter(([, bytes]) => bytes + beside <= memory.free && bytes < needed.weights)
    .sort(([, a], [, b]) => b - a);
  return largest;
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(bytes < GIB ? 2 : 1)} GiB`;
}
