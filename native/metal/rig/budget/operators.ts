// The costly operators of every family at its largest: what native/test/metal_budget.cpp runs on a device that counts.
//   node --import tsx operators.ts            writes native/test/metal_budget.json (two minutes: the processors see a picture)
//   node --import tsx operators.ts --check    exit code 1 where the families say something else today
// A golden checkpoint takes the sizes of largest.ts; the shapes of its tensors are those for which the family then asks. A
// picture is 2880 × 1800. A decoder runs a chunk, or a picture that must stay whole, and one row, at the end of its context.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { AfterimageError } from '../../../../src/errors.js';
import type { Program, ProgramOp, Rows } from '../../../../src/graph/program.js';
import type { Checkpoint } from '../../../../src/models/checkpoint/checkpoint.js';
import { openCheckpoint } from '../../../../src/models/checkpoint/checkpoint-folder.js';
import type { ImagePlan, Model, NamedTensor } from '../../../../src/models/family.js';
import { buildModel, families } from '../../../../src/models/registry.js';
import { LARGEST, type Largest } from './largest.js';

const TABLE = fileURLToPath(new URL('../../../test/metal_budget.json', import.meta.url));
const GOLDENS = fileURLToPath(new URL('../../../../test/goldens/checkpoints/', import.meta.url));
const [WIDTH, HEIGHT] = [2880, 1800];
const [CHUNK, LONGEST] = [256, 131_072];

/** `segments`: [rows, how many of them] from the first on. */
type Operator = Record<string, string | number | boolean | [rows: number, count: number][]>;
interface Entry {
  family: string;
  checkpoint: string;
  vision: Operator[];
  decoder: { rows: number[]; context: number; operators: Operator[] };
}

function merged(own: Record<string, unknown>, other: Record<string, unknown> = {}): Record<string, unknown> {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
  const result = { ...own };
  for (const [key, value] of Object.entries(other)) {
    const before = own[key];
    result[key] = isObject(before) && isObject(value) ? merged(before, value) : value;
  }
  return result;
}

/** Gives the checkpoint what the family misses; false where the error says something else. */
function mend({ tensors }: Checkpoint, message: string): boolean {
  const wrong = /^Tensor "([^"]+)" has shape \[.*\]; the configuration asks for \[(.*)\]/.exec(message);
  if (wrong) tensors.set(wrong[1]!, { ...tensors.get(wrong[1]!)!, shape: wrong[2]!.split(', ').filter(Boolean).map(Number) });
  const missing = /^Tensor "((.*\.)\d+(\..*))" is missing/.exec(message);
  const sibling = missing && tensors.get(`${missing[2]}0${missing[3]}`);
  if (sibling) tensors.set(missing[1]!, sibling);
  return Boolean(wrong ?? sibling);
}

function modelOf({ golden, config, imageProcessor, processor, tensors = {} }: Largest): Model {
  const opened = openCheckpoint(`${GOLDENS}${golden}`);
  const checkpoint = {
    ...opened,
    config: merged(opened.config, config),
    imageProcessor: merged(opened.imageProcessor, imageProcessor),
    processor: merged(opened.processor, processor),
  };
  for (const [name, shape] of Object.entries(tensors)) checkpoint.tensors.set(name, { ...checkpoint.tensors.get(name)!, shape });
  for (;;) {
    try {
      return buildModel(checkpoint);
    } catch (error) {
      if (!(error instanceof AfterimageError) || !mend(checkpoint, error.message)) throw error;
    }
  }
}

function resolved(rows: Rows, symbols: Record<string, number>): number {
  if ('constant' in rows) return rows.constant;
  const count = symbols[rows.symbol];
  if (count === undefined || !Number.isInteger(count)) throw new Error(`Expected a whole number of ${rows.symbol} but received ${count}.`);
  return (count * (rows.mul ?? 1)) / (rows.div ?? 1);
}

/** Lengths from boundaries, equal neighbours together. */
function runLengths(boundaries: ArrayLike<number>): [rows: number, count: number][] {
  const runs: [number, number][] = [];
  for (let i = 1; i < boundaries.length; i++) {
    const rows = boundaries[i]! - boundaries[i - 1]!;
    if (runs.at(-1)?.[0] === rows) runs.at(-1)![1]++;
    else runs.push([rows, 1]);
  }
  return runs;
}

function attributes(op: ProgramOp, names: string[]): Operator {
  return Object.fromEntries(names.filter((name) => op.attrs[name] !== undefined).map((name) => [name, op.attrs[name] as number]));
}

const HEADS = ['heads', 'kvHeads', 'kDim', 'vDim'];

/** `rows`: of a value; undefined in decoders, whose rows are those of the run. */
function costly(program: Program, op: ProgramOp, rows: (value: number) => number | undefined, segments: (input: string) => [number, number][]): Operator | undefined {
  const shape = (weight: number): number[] => program.weights[op.weights[weight]!]!.shape;
  const count = rows(op.out[0]!);
  const common = { op: op.op, ...(count !== undefined && { rows: count }) };
  if (op.op === 'linear') return { ...common, outs: shape(0)[0]!, columns: shape(0)[1]! };
  if (op.op === 'expertLinear') return { ...common, experts: shape(0)[0]!, outs: shape(0)[1]!, columns: shape(0)[2]!, ...attributes(op, ['k', 'perExpert']) };
  if (op.op === 'attention') return { ...common, ...attributes(op, [...HEADS, 'window', 'causal']) };
  if (op.op === 'gatedDelta') return { ...common, ...attributes(op, HEADS) };
  if (op.op !== 'segmentAttention') return undefined;
  const { name } = program.values[op.in[3]!]!;
  return { ...common, ...attributes(op, HEADS), of: name, segments: segments(name) };
}

const distinct = (operators: (Operator | undefined)[]): Operator[] => [
  ...new Map(operators.flatMap((one) => (one ? [[JSON.stringify(one), one]] : []))).values(),
];

function entryOf(one: Largest, inputsOf: (model: Model, plan: ImagePlan) => (name: string) => [number, number][]): Entry {
  const model = modelOf(one);
  const plan = model.processor.plan(WIDTH, HEIGHT);
  const segments = inputsOf(model, plan);
  const rowsOf = (value: number): number => resolved(model.vision.values[value]!.rows, plan.symbols);
  const vision = model.vision.ops.map((op) => costly(model.vision, op, rowsOf, segments));
  const logits = new Set(model.decoder.outputs);
  const decoder = model.decoder.ops.filter(({ out }) => !logits.has(out[0]!));
  const most = model.visibility === 'causal' ? CHUNK : Math.max(CHUNK, plan.tokens + 64);
  return {
    family: model.modelType,
    checkpoint: one.name,
    vision: distinct(vision),
    decoder: {
      rows: [most, 1],
      context: Math.min(model.contextLength, LONGEST),
      operators: distinct(decoder.map((op) => costly(model.decoder, op, () => undefined, () => []))),
    },
  };
}

/** Segments as the processor gives them for a picture. */
function seen(model: Model, plan: ImagePlan): (name: string) => [number, number][] {
  let inputs: Record<string, NamedTensor> | undefined;
  return (name) => {
    inputs ??= model.processor.inputs({ width: WIDTH, height: HEIGHT, data: new Uint8Array(3 * WIDTH * HEIGHT) }, plan);
    return runLengths(inputs[name]!.data);
  };
}

/** Segments as they are written: a processor takes seconds for a picture. */
function written(entry: Entry | undefined): () => (name: string) => [number, number][] {
  const known = new Map((entry?.vision ?? []).map(({ of, segments }) => [of, segments as [number, number][]]));
  return () => (name) => known.get(name) ?? [];
}

const text = (entries: Entry[]): string => `[\n${entries.map((entry) => JSON.stringify(entry)).join(',\n')}\n]\n`;

const unnamed = families.filter(({ modelTypes }) => !LARGEST.some(({ golden }) => modelTypes.includes(JSON.parse(readFileSync(`${GOLDENS}${golden}/config.json`, 'utf8')).model_type as string)));
if (unnamed.length > 0) throw new Error(`largest.ts names no checkpoint of ${unnamed.map(({ modelTypes }) => modelTypes[0]).join(', ')}.`);
if (process.argv.includes('--check')) {
  const table = readFileSync(TABLE, 'utf8');
  const known = new Map((JSON.parse(table) as Entry[]).map((entry) => [entry.checkpoint, entry]));
  if (text(LARGEST.map((one) => entryOf(one, written(known.get(one.name))))) !== table) {
    console.error('native/test/metal_budget.json is not what the families say; run node --import tsx native/metal/rig/budget/operators.ts.');
    process.exitCode = 1;
  }
} else {
  writeFileSync(TABLE, text(LARGEST.map((one) => entryOf(one, seen))));
}
