// Names, dtypes and shapes of the tensors in a safetensors file. Data offsets are checked where the bytes are mapped.
import { closeSync, fstatSync, readSync } from 'node:fs';
import { AfterimageError } from '../../errors.js';
import type { StoredTensorInfo } from './checkpoint.js';
import { openPlain } from './plain-file.js';

/** The format's own limit on the JSON header. */
const MAX_HEADER_BYTES = 100_000_000;

/** @throws AfterimageError IO_FAILED, INVALID_CHECKPOINT */
export function readSafetensorsHeader(file: string): Map<string, StoredTensorInfo> {
  return parseHeader(file, readHeaderText(file).text);
}

/** The header's JSON and where the data begins. @throws AfterimageError IO_FAILED, INVALID_CHECKPOINT */
export function readHeaderText(file: string): { text: string; start: number } {
  const descriptor = open(file);
  try {
    const size = fstatSync(descriptor).size;
    const length = size < 8 ? 0n : readExactly(descriptor, 8, 0).readBigUInt64LE();
    if (length < 2n || length > BigInt(MAX_HEADER_BYTES) || length > BigInt(size - 8)) {
      throw invalid(file, `its header claims ${length} bytes in a file of ${size}`);
    }
    const text = readExactly(descriptor, Number(length), 8).toString('utf8');
    return { text, start: 8 + Number(length) };
  } finally {
    closeSync(descriptor);
  }
}

function parseHeader(file: string, text: string): Map<string, StoredTensorInfo> {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw invalid(file, 'its header is not JSON', cause);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw invalid(file, 'its header is not an object');
  const tensors = new Map<string, StoredTensorInfo>();
  for (const [name, entry] of Object.entries(header)) {
    if (name !== '__metadata__') tensors.set(name, tensorInfo(file, name, entry));
  }
  return tensors;
}

function tensorInfo(file: string, name: string, entry: unknown): StoredTensorInfo {
  const { dtype, shape } = (entry ?? {}) as { dtype?: unknown; shape?: unknown };
  const isSize = (n: unknown): boolean => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0;
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !shape.every(isSize)) {
    throw invalid(file, `the entry of tensor "${name}" has no valid dtype and shape`);
  }
  return { dtype, shape: shape as number[] };
}

function open(file: string): number {
  const descriptor = openPlain(file);
  if (descriptor !== undefined) return descriptor;
  throw new AfterimageError('IO_FAILED', `Cannot read "${file}"; check that it exists and may be read.`);
}

function readExactly(descriptor: number, length: number, position: number): Buffer {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const count = readSync(descriptor, buffer, done, length - done, position + done);
    if (count === 0)
      throw new AfterimageError('IO_FAILED', 'A weight file became shorter while it was read; try again.');
    done += count;
  }
  return buffer;
}

function invalid(file: string, what: string, cause?: unknown): AfterimageError {
  return new AfterimageError(
    'INVALID_CHECKPOINT',
    `"${file}" is not a usable safetensors file: ${what}; download it again.`,
    { cause },
  );
}
