// A checkpoint of real dimensions with random weights, written to memory-backed storage where there is any, so that a
// benchmark goes through the real loader. MLX affine layout for the language model at 2–8 bits, bf16 elsewhere.
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Checkpoint, StoredTensorInfo } from '../src/models/checkpoint/checkpoint.js';
import type { Dimensions } from './dimensions.js';

const GROUP = 64;

export interface RandomCheckpoint {
  checkpoint: Checkpoint;
  bytes: number;
  remove(): void;
}

/** xorshift32: the same weights in every run. */
function random(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** bf16 bit patterns of uniform values in ±`amplitude`. */
function floats(next: () => number, count: number, amplitude: number): Uint16Array {
  const f32 = new Float32Array(1);
  const bits = new Uint32Array(f32.buffer);
  return Uint16Array.from({ length: count }, () => {
    f32[0] = (next() / 2 ** 31 - 1) * amplitude;
    return bits[0]! >>> 16;
  });
}

interface Stored {
  name: string;
  info: StoredTensorInfo;
  bytes: number;
  fill: 'float' | 'one' | 'code' | 'scale' | 'bias';
}

function layout(dimensions: Dimensions, bits: number): Stored[] {
  const stored: Stored[] = [];
  for (const [name, shape] of dimensions.tensors) {
    const count = shape.reduce((a, b) => a * b, 1);
    if (bits < 16 && dimensions.quantized(name)) {
      const rows = shape.slice(0, -1); // of experts, too
      const columns = shape.at(-1)!;
      const base = name.slice(0, -'.weight'.length);
      const side = { dtype: 'BF16', shape: [...rows, columns / GROUP] };
      stored.push({
        name,
        info: { dtype: 'U32', shape: [...rows, (columns * bits) / 32] },
        bytes: (count * bits) / 8,
        fill: 'code',
      });
      stored.push({ name: `${base}.scales`, info: side, bytes: (count * 2) / GROUP, fill: 'scale' });
      stored.push({ name: `${base}.biases`, info: side, bytes: (count * 2) / GROUP, fill: 'bias' });
    } else {
      const fill = shape.length === 1 && name.endsWith('.weight') ? 'one' : 'float';
      stored.push({ name, info: { dtype: 'BF16', shape }, bytes: count * 2, fill });
    }
  }
  return stored;
}

/**
 * @param bits 2–8: MLX affine, group 64; 16: bf16 throughout.
 * @param filled False where nobody reads the numbers: a file with holes for them, of any size.
 * @param written The folder of one that another process has made with the same arguments.
 */
export function randomCheckpoint(
  dimensions: Dimensions,
  bits: number,
  { filled = true, written }: { filled?: boolean; written?: string } = {},
): RandomCheckpoint {
  const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const folder = written ?? mkdtempSync(join(memory, 'afterimage-bench-'));
  const stored = layout(dimensions, bits);
  const file = join(folder, 'model.safetensors');
  if (!written) writeWeights(file, stored, bits, filled);
  const config: Record<string, unknown> =
    bits < 16
      ? { ...dimensions.config, quantization: { group_size: GROUP, bits } }
      : { ...dimensions.config };
  return {
    checkpoint: {
      folder,
      config,
      generationConfig: {},
      imageProcessor: dimensions.imageProcessor,
      processor: dimensions.processor,
      tensors: new Map(stored.map(({ name, info }) => [name, info])),
      files: [file],
      tokenId: (token) => dimensions.tokens[token],
    },
    bytes: stored.reduce((sum, { bytes }) => sum + bytes, 0),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function writeWeights(file: string, stored: Stored[], bits: number, filled: boolean): void {
  const header: Record<string, unknown> = {};
  let offset = 0;
  for (const tensor of stored) {
    header[tensor.name] = { ...tensor.info, data_offsets: [offset, offset + tensor.bytes] };
    offset += tensor.bytes;
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8)); // data aligned, as the format asks for
  const next = random(20);
  const levels = 2 ** bits - 1;
  const patterns = {
    float: Buffer.from(floats(next, 1 << 20, 0.03).buffer),
    one: Buffer.from(floats(() => 0xffffffff, 1 << 14, 1).buffer),
    code: Buffer.from(Uint32Array.from({ length: 1 << 20 }, next).buffer),
    scale: Buffer.from(floats(() => 0xffffffff, 1 << 14, 0.06 / levels).buffer),
    bias: Buffer.from(floats(() => 0, 1 << 14, 0.03).buffer),
  };
  const descriptor = openSync(file, 'w');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeSync(descriptor, length);
  writeSync(descriptor, json);
  if (!filled) ftruncateSync(descriptor, 8 + json.length + offset);
  for (const tensor of filled ? stored : []) {
    const pattern = patterns[tensor.fill];
    for (let done = 0; done < tensor.bytes;) {
      done += writeSync(descriptor, pattern, 0, Math.min(pattern.length, tensor.bytes - done));
    }
  }
  closeSync(descriptor);
}
