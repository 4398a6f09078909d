// Prompts of a random checkpoint: token ids and images without text, so that a benchmark needs no tokenizer.
import { createHash } from 'node:crypto';
import type { NativePrompt } from '../src/engine/native-engine.js';
import type { ImagePlan, Model } from '../src/models/family.js';
import type { RgbImage } from '../src/image/rgb-image.js';
import { linearPositions, mropePositions, type GridSpan } from '../src/models/positions.js';

export interface SyntheticImage {
  image: RgbImage;
  plan: ImagePlan;
  key: Uint8Array;
}

/** A picture of `width`×`height` with soft gradients and hard edges; `seed` makes another picture of the same size. */
export function syntheticImage(model: Model, width: number, height: number, seed: number): SyntheticImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 3) {
      const box = ((x >> 5) ^ (y >> 4) ^ seed) & 1;
      data[i] = (x * 255) / width;
      data[i + 1] = (y * 255) / height;
      data[i + 2] = box * 200 + (seed % 50);
    }
  }
  const plan = model.processor.plan(width, height);
  return { image: { width, height, data }, plan, key: createHash('sha256').update(data).digest() };
}

/** The picture with another corner, 32 pixels wide and high: the upper left one, or the lower right one. */
export function cornerChanged({ image, plan }: SyntheticImage, corner: 'first' | 'last'): SyntheticImage {
  const data = image.data.slice();
  const [left, top] = corner === 'first' ? [0, 0] : [image.width - 32, image.height - 32];
  for (let y = top; y < top + 32; y++)
    data.fill(255, (y * image.width + left) * 3, (y * image.width + left + 32) * 3);
  return { image: { ...image, data }, plan, key: createHash('sha256').update(data).digest() };
}

/** One text run, or an image; text ids follow from `seed`, so that two prompts can share or differ in any part. */
export type Part = { text: number; seed: number } | { image: SyntheticImage };

export function syntheticPrompt(model: Model, parts: Part[]): NativePrompt {
  const ids: number[] = [];
  const features: number[] = [];
  const spans: NativePrompt['spans'] = [];
  const grids: GridSpan[] = [];
  for (const part of parts) {
    if ('text' in part) {
      for (let i = 0; i < part.text; i++) {
        ids.push(1 + ((part.seed * 7919 + i * 104729) % 1000));
        features.push(-1);
      }
      continue;
    }
    const { plan, key } = part.image;
    const start = ids.length;
    for (let i = 0; i < plan.tokens; i++) {
      ids.push(model.imageTokenId);
      features.push(i);
    }
    spans.push({ start, end: ids.length, key, symbols: plan.symbols });
    if (plan.grid) grids.push({ start, grid: plan.grid });
  }
  const positions =
    model.positionAxes === 3 ? mropePositions(ids.length, grids) : linearPositions(ids.length);
  return {
    ids: Int32Array.from(ids),
    positionIds: positions.data,
    featureIndex: Int32Array.from(features),
    spans,
    marks: new Int32Array(0),
    ropeDelta: positions.ropeDelta,
    prefixLength: 0,
  };
}
