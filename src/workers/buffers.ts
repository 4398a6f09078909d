// The large memory inside a message between threads: what moves with it, and what is shared.
import { weigh } from './shared-bytes.js';

type Found = (buffer: ArrayBuffer | SharedArrayBuffer, whole: boolean) => void;

/**
 * Buffers that can be handed over with `value` because nothing else lies in them.
 * @throws TypeError for one that was handed over before: its message could not be sent, and nobody would hear of it.
 */
export function movable(value: unknown): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  visit(value, (buffer, whole) => {
    if (!(buffer instanceof ArrayBuffer)) return;
    requireAttached(buffer);
    if (whole) found.add(buffer);
  });
  return [...found];
}

function requireAttached(buffer: ArrayBuffer): void {
  try {
    new Uint8Array(buffer, 0, 0);
  } catch (cause) {
    throw new TypeError(
      'Expected memory of its own in a message but received memory that was handed over before',
      {
        cause,
      },
    );
  }
}

/** To be called by a thread on what it was sent. */
export function weighAll<T>(value: T): T {
  visit(value, (buffer) => {
    if (buffer instanceof SharedArrayBuffer) weigh(buffer);
  });
  return value;
}

/** Views in plain objects and lists, which is what jobs take and give. */
function visit(value: unknown, found: Found): void {
  if (typeof value !== 'object' || value === null) return;
  if (ArrayBuffer.isView(value)) return found(value.buffer, value.byteLength === value.buffer.byteLength);
  if (Array.isArray(value)) {
    // Lists of numbers are long and hold no memory of their own.
    if (typeof value[0] === 'object') for (const item of value) visit(item, found);
  } else if (isPlain(value)) {
    for (const item of Object.values(value)) visit(item, found);
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
