// sizes.json of a checkpoint: tokens and geometry of images of many sizes, and which sizes the reference refuses.
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AfterimageError } from '../../src/errors.js';
import type { ImagePlan, Model } from '../../src/models/family.js';
import { checkGeometry } from './check-turn.js';
import type { Tally } from './tally.js';

interface SizeRow {
  size: [height: number, width: number];
  error?: string;
  tokens: number;
  layout: Record<string, unknown>;
}

export function checkSizes(folder: string, model: Model, tally: Tally): void {
  const file = join(folder, 'sizes.json');
  if (!existsSync(file)) return;
  for (const { size, error, tokens, layout } of JSON.parse(readFileSync(file, 'utf8')) as SizeRow[]) {
    const [height, width] = size;
    const where = `${basename(folder)}/${width}×${height}`;
    const plan = planOrRefusal(model, width, height);
    tally.equal(where, 'refused', plan === null, error !== undefined);
    if (error !== undefined || plan === null) continue;
    tally.equal(where, 'image tokens', plan.tokens, tokens);
    checkGeometry(where, layout, [plan], tally);
  }
}

function planOrRefusal(model: Model, width: number, height: number): ImagePlan | null {
  try {
    return model.processor.plan(width, height);
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'IMAGE_UNSUPPORTED') return null;
    throw error;
  }
}
