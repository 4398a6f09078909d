// sizes.json of a checkpoint: tokens, geometry and prompts of images of many sizes, and which sizes the reference refuses;
// with the checkpoint's own image settings and with others.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AfterimageError } from '../../src/errors.js';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import type { ImagePlan, Model } from '../../src/models/family.js';
import { familyOf } from '../../src/models/registry.js';
import { checkGeometry } from './check-turn.js';
import type { GoldenTurn } from './case-files.js';
import { promptPath, type PromptPath } from './prompt-path.js';
import type { Tally } from './tally.js';

interface SizeRow {
  size: [height: number, width: number];
  error?: string;
  tokens: number;
  /** How many ids the prompt has, and their checksum. */
  ids: [number, number];
  layout: Record<string, unknown>;
}

interface SizeBlock {
  settings: Record<string, unknown>;
  rows: SizeRow[];
}

/** The prompt of every row: the image and this text. */
const MESSAGES: GoldenTurn['messages'] = [
  {
    role: 'user',
    content: [
      { type: 'image', image: '' },
      { type: 'text', text: '?' },
    ],
  },
];

export function checkSizes(checkpoint: Checkpoint, tally: Tally): void {
  const { folder } = checkpoint;
  const file = join(statSync(folder).isFile() ? dirname(folder) : folder, 'sizes.json');
  if (!existsSync(file)) return;
  for (const { settings, rows } of JSON.parse(readFileSync(file, 'utf8')) as SizeBlock[]) {
    const changed = { ...checkpoint, imageProcessor: { ...checkpoint.imageProcessor, ...settings } };
    const model = familyOf(changed).build(changed);
    const prompts = promptPath(changed, model);
    const where = `${basename(checkpoint.folder)} with ${JSON.stringify(settings)}`;
    for (const row of rows) checkRow(where, model, prompts, row, tally);
  }
}

function checkRow(family: string, model: Model, prompts: PromptPath, row: SizeRow, tally: Tally): void {
  const [height, width] = row.size;
  const where = `${family}, ${width}×${height}`;
  const plan = planOrRefusal(model, width, height);
  tally.equal(where, 'refused', plan === null, row.error !== undefined);
  if (row.error !== undefined || plan === null) return;
  tally.equal(where, 'image tokens', plan.tokens, row.tokens);
  checkGeometry(where, row.layout, [plan], tally);
  const turn = { messages: MESSAGES } as GoldenTurn;
  const { ids } = prompts(turn, [{ image: { width, height, data: new Uint8Array() } }]);
  tally.equal(where, 'ids', [ids.length, checksum(ids)], row.ids);
}

function checksum(ids: ArrayLike<number>): number {
  return Array.from(ids).reduce((sum, id, i) => (sum + (i + 1) * id) % 65521, 0);
}

function planOrRefusal(model: Model, width: number, height: number): ImagePlan | null {
  try {
    return model.processor.plan(width, height);
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'IMAGE_UNSUPPORTED') return null;
    throw error;
  }
}
