// Options shared by the benchmarks.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Checkpoint } from '../src/models/checkpoint/checkpoint.js';
import { openCheckpoint } from '../src/models/checkpoint/checkpoint-folder.js';
import { starterFolder } from '../src/engine/model-folder.js';
import type { Precision } from '../src/engine/native.js';
import { DIMENSIONS } from './dimensions.js';
import { randomCheckpoint } from './random-checkpoint.js';

export interface BenchArguments {
  dims: string;
  bits: number;
  prompt: number;
  generate: number;
  width: number;
  height: number;
  threads: number;
  precision: Precision;
  /** Fewer and shorter answers, for machines that are busy; where a benchmark has such a form. */
  brief: boolean;
  json: boolean;
  /** Into bench/results.md. */
  write: boolean;
}

export function benchArguments(defaults: Partial<BenchArguments> = {}): BenchArguments {
  const { values } = parseArgs({
    options: {
      dims: { type: 'string', default: defaults.dims ?? 'smolvlm-256m' },
      bits: { type: 'string', default: String(defaults.bits ?? 4) },
      prompt: { type: 'string', default: '512' },
      generate: { type: 'string', default: '64' },
      image: { type: 'string', default: '1280x800' },
      threads: { type: 'string', default: String(availableParallelism()) },
      precision: { type: 'string', default: 'fast' },
      brief: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  const [width, height] = values.image.split('x').map(Number) as [number, number];
  const known = [...Object.keys(DIMENSIONS), 'starter'];
  if (!known.includes(values.dims))
    fail(`Expected one of ${known.join(', ')} for --dims but received "${values.dims}".`);
  const bits = Number(values.bits);
  if (![2, 3, 4, 5, 6, 8, 16].includes(bits))
    fail(`Expected 2, 3, 4, 5, 6, 8 or 16 for --bits but received "${values.bits}".`);
  if (!(width > 0 && height > 0)) fail(`Expected WIDTHxHEIGHT for --image but received "${values.image}".`);
  if (!isPrecision(values.precision))
    fail(`Expected exact, fast or faster for --precision but received "${values.precision}".`);
  if (values.brief && values.write)
    fail('Expected --brief or --write but received both; bench/results.md holds whole measurements.');
  return {
    dims: values.dims,
    bits,
    width,
    height,
    brief: values.brief,
    json: values.json,
    write: values.write,
    precision: values.precision,
    prompt: positive('prompt', values.prompt),
    generate: positive('generate', values.generate),
    threads: positive('threads', values.threads),
  };
}

function isPrecision(text: string): text is Precision {
  return ['exact', 'fast', 'faster'].includes(text);
}

function positive(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    fail(`Expected a whole number of at least 1 for --${name} but received "${value}".`);
  return number;
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

/** Random weights of published dimensions, or the bundled starter model as it is. */
export function benchCheckpoint({ dims, bits }: BenchArguments): { checkpoint: Checkpoint; remove(): void } {
  const dimensions = DIMENSIONS[dims];
  if (!dimensions) return { checkpoint: openCheckpoint(starterFolder()), remove: () => {} };
  return randomCheckpoint(dimensions(), bits);
}
