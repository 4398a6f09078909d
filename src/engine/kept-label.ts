// What a file of the disk tier says about the picture it was computed of: for whoever lists files, and no part of a key.
import { displayName } from '../image/display-name.js';
import { imageIdOf } from '../image/key.js';
import type { ImageInput } from '../image/rgb-image.js';

export interface KeptLabel {
  /** What looked at it or read it. */
  model: string;
  image_id: string;
  width: number;
  height: number;
  /** How whoever gave the picture called it, its end where that is long. */
  name?: string;
}

/** kLabelLimit of native/cache/prefix_file.h, in bytes. */
const MOST_BYTES = 512;
const LONGEST_MODEL = 80;

/** JSON of a `KeptLabel`. */
export function labelOf(model: string, { pixelHash, width, height, name }: ImageInput): string {
  const label = { model: model.slice(0, LONGEST_MODEL), image_id: imageIdOf(pixelHash), width, height };
  let letters = [...displayName(name ?? '')];
  for (;;) {
    const text = JSON.stringify({ ...label, ...(letters.length > 0 && { name: letters.join('') }) });
    const over = Buffer.byteLength(text) - MOST_BYTES;
    if (over <= 0) return text;
    // No letter has more than six bytes in JSON; a sign for what is left out takes three.
    letters = ['…', ...letters.slice(Math.ceil(over / 6) + 1)];
  }
}

/** Undefined for what older versions wrote, which is nothing, and for what is no label. */
export function readLabel(text: string | undefined): KeptLabel | undefined {
  try {
    const { model, image_id, width, height, name } = JSON.parse(text ?? '') as Record<string, unknown>;
    if (typeof model !== 'string' || typeof image_id !== 'string') return undefined;
    if (typeof width !== 'number' || typeof height !== 'number') return undefined;
    return { model, image_id, width, height, ...(typeof name === 'string' && { name }) };
  } catch {
    return undefined;
  }
}
