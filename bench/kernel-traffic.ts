// Runs a decoder on the counting build of the emulated Metal backend and adds up what its kernels did.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decoderWidths } from '../src/graph/program.js';
import { createRunner } from '../src/engine/native.js';
import type { Model } from '../src/models/family.js';
import { familyOf } from '../src/models/registry.js';
import { decoderDimensions, type DecoderModel } from './decoder-dimensions.js';
import type { Decoder } from './dimensions.js';
import { randomCheckpoint } from './random-checkpoint.js';

const FIELDS = [
  'dispatches',
  'operations',
  'weights', // bytes, as `moved`
  'weightsFetched', // once per threadgroup
  'kv',
  'kvFetched',
  'other', // activations, tables, small weights; written or read
  'otherFetched',
] as const;
export type Traffic = Record<(typeof FIELDS)[number], number>;
/** By kernel. */
export type KernelTraffic = Map<string, Traffic>;

interface Access {
  fetched: number;
  moved: number;
}
type Accesses = Record<'mapped' | 'linked' | 'bound', Access>;
/** What one command buffer holds: kernels and the operations of their products, from the shapes; 0 for others. */
type CommandBuffer = [kernel: string, operations: number][];
interface Dispatch {
  kernel: string;
  operations: number;
  loads: Accesses;
  stores: Accesses;
}

const onMatrices = (kernel: string): boolean =>
  /^(linear_(?!dot_)|expert_matrix_|attention_matrix_|attention_split_|segment_attention_)/.test(kernel);

const log = join(tmpdir(), `afterimage-traffic-${process.pid}.jsonl`);

export const none = (): Traffic => Object.fromEntries(FIELDS.map((field) => [field, 0])) as Traffic;

function trafficOf({ operations, loads, stores }: Dispatch): Traffic {
  const both = (kind: keyof Accesses, field: keyof Access): number =>
    loads[kind][field] + stores[kind][field];
  return {
    dispatches: 1,
    operations,
    weights: both('mapped', 'moved'),
    weightsFetched: both('mapped', 'fetched'),
    kv: both('linked', 'moved'),
    kvFetched: both('linked', 'fetched'),
    other: both('bound', 'moved'),
    otherFetched: both('bound', 'fetched'),
  };
}

export const scaled = (factor: number, traffic: Traffic): Traffic =>
  Object.fromEntries(FIELDS.map((field) => [field, factor * traffic[field]])) as Traffic;

/** a·x + b·y of every field of every kernel. */
export function combine(a: number, x: KernelTraffic, b: number, y: KernelTraffic): KernelTraffic {
  const result: KernelTraffic = new Map();
  for (const kernel of new Set([...x.keys(), ...y.keys()])) {
    const [p, q] = [x.get(kernel) ?? none(), y.get(kernel) ?? none()];
    result.set(
      kernel,
      Object.fromEntries(FIELDS.map((field) => [field, a * p[field] + b * q[field]])) as Traffic,
    );
  }
  return result;
}

export function total(kernels: KernelTraffic): Traffic {
  const sum = none();
  for (const traffic of kernels.values()) for (const field of FIELDS) sum[field] += traffic[field];
  return sum;
}

async function runRows(model: Model, files: string[], rows: number, end: number): Promise<void> {
  const runner = await createRunner({
    files,
    program: JSON.stringify(model.decoder),
    precision: 'exact',
    kvType: 'f16',
    backend: 'metal',
  });
  try {
    rmSync(log, { force: true }); // what the self-test did
    const inputs: Parameters<typeof runner.run>[0]['inputs'] = {
      input_ids: { data: Int32Array.from({ length: rows }, (_, i) => i), rows },
      position_ids: { data: new Int32Array(rows * model.positionAxes).fill(end - 1), rows },
      feature_index: { data: new Int32Array(rows).fill(-1), rows },
      logit_rows: { data: Int32Array.of(rows - 1), rows: 1 },
    };
    for (let i = 0; i <= decoderWidths(model.decoder).deepstack; i++)
      inputs[i === 0 ? 'features' : `features.${i}`] = { data: new Float32Array(0), rows: 0 };
    await runner.run({ inputs, sequences: [{ slot: 0, rows, firstPosition: end - rows }] });
  } finally {
    await runner.close();
  }
}

function logged(): unknown[] {
  if (!existsSync(log))
    throw new Error('Expected an addon that counts; `npm run bench:metal` builds one and uses it.');
  return readFileSync(log, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

async function logOf(
  decoder: DecoderModel,
  changed: Partial<Decoder>,
  rows: number,
  end: number,
  filled: boolean,
): Promise<unknown[]> {
  process.env['RIG_TRAFFIC'] = log;
  const { checkpoint, remove } = randomCheckpoint(decoderDimensions(decoder, changed), 4, { filled });
  try {
    await runRows(familyOf(checkpoint).build(checkpoint), checkpoint.files, rows, end);
    return logged();
  } finally {
    rmSync(log, { force: true });
    remove();
  }
}

/** One run of `rows` rows that end at position `end`, f16 KV; `last`: its last dispatch, the logits. */
export async function countRun(
  decoder: DecoderModel,
  changed: Partial<Decoder>,
  rows: number,
  end: number,
): Promise<{ all: KernelTraffic; last: KernelTraffic }> {
  const dispatches = (await logOf(decoder, changed, rows, end, true)).filter(
    (line): line is Dispatch => 'kernel' in (line as Dispatch),
  );
  const sum = (list: Dispatch[]): KernelTraffic =>
    list.reduce<KernelTraffic>(
      (all, d) => combine(1, all, 1, new Map([[d.kernel, trafficOf(d)]])),
      new Map(),
    );
  return { all: sum(dispatches), last: sum(dispatches.slice(-1)) };
}

/** How the host divides one run of the whole decoder. */
export interface Division {
  dispatches: number;
  commandBuffers: number;
  /** Of products; of those on simdgroup matrices; and the most of one dispatch. */
  operations: number;
  matrixOperations: number;
  mostOperations: number;
}

/** The whole decoder on a device that computes nothing ($RIG_DRY): its kernels are proved by an earlier `countRun`. */
export async function divide(decoder: DecoderModel, rows: number, end: number): Promise<Division> {
  const lines = await logOf(decoder, {}, rows, end, false);
  const buffers = lines.map((line) => (line as { commandBuffer: CommandBuffer }).commandBuffer);
  const dispatches = buffers.flat();
  if (dispatches.length < decoder.text.layers)
    throw new Error(`Expected all layers on the device but received ${dispatches.length} dispatches.`);
  return {
    dispatches: dispatches.length,
    commandBuffers: buffers.length,
    operations: dispatches.reduce((sum, [, n]) => sum + n, 0),
    matrixOperations: dispatches.reduce((sum, [kernel, n]) => sum + (onMatrices(kernel) ? n : 0), 0),
    mostOperations: Math.max(...dispatches.map(([, operations]) => operations)),
  };
}

/** Operations of kernels on simdgroup matrices, whatever else they compute. */
export const operationsOnMatrices = (kernels: KernelTraffic): number =>
  [...kernels].reduce((sum, [kernel, t]) => sum + (onMatrices(kernel) ? t.operations : 0), 0);
