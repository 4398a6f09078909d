// afterimage models: what is installed, every supported family with its real checkpoints, and the memory they need.
import { copiesOf, isComplete, namesThere, weightBytes, type PlaceKind } from '../engine/model-places.js';
import { AfterimageError } from '../errors.js';
import { readConfig } from '../models/checkpoint/checkpoint-folder.js';
import type { FamilyCheckpoint } from '../models/family.js';
import { families, supportedModelTypes } from '../models/registry.js';
import { removeModel } from '../pull/remove.js';
import type { Options } from './options.js';

const GIB = 2 ** 30;
/** MLX affine 4 bit, group 64, bf16 scales and biases: 4 + 32/64 bits per weight. */
const BITS_4 = 4.5;
const BITS_16 = 16;

export interface ModelRow {
  modelType: string;
  name: string;
  parameters: number;
  gib4: number;
  gib16: number;
}

export interface InstalledRow {
  modelType: string;
  name: string;
  installed: true;
  place: PlaceKind;
  folder: string;
  /** Of the weights: what they take on disk and in memory. */
  bytes: number;
  complete: boolean;
}

export async function models(options: Options): Promise<void> {
  const name = options.text('remove');
  if (name !== undefined) return remove(name, options.flag('json'));
  const installed = installedRows();
  process.stdout.write(
    options.flag('json')
      ? `${JSON.stringify([...modelRows(), ...installed])}\n`
      : `${installedTable(installed)}\n\n${modelsTable()}\n`,
  );
}

async function remove(name: string, json: boolean): Promise<void> {
  const { removed, left } = await removeModel(name);
  if (json) return void process.stdout.write(`${JSON.stringify({ removed, left })}\n`);
  for (const { folder, bytes } of removed)
    process.stdout.write(`Removed ${folder} (${(bytes / 1e9).toFixed(2)} GB)\n`);
  for (const folder of left) process.stdout.write(`Left ${folder}, which is LM Studio's\n`);
}

export function modelRows(): ModelRow[] {
  return families.flatMap(({ modelTypes, checkpoints }) =>
    checkpoints.map((checkpoint) => ({
      modelType: modelTypes[0]!,
      name: checkpoint.name,
      parameters: checkpoint.parameters,
      gib4: gib4(checkpoint),
      gib16: (checkpoint.parameters * BITS_16) / 8 / GIB,
    })),
  );
}

/** Converters leave the vision tower in 16 bits. */
function gib4({ parameters, towerParameters }: FamilyCheckpoint): number {
  return ((parameters - towerParameters) * BITS_4 + towerParameters * BITS_16) / 8 / GIB;
}

/** Copies of models that are supported, in the order `--model` prefers them. */
export function installedRows(): InstalledRow[] {
  return namesThere().flatMap((name) =>
    copiesOf(name).flatMap(({ kind, folder }) => {
      const modelType = modelTypeOf(folder);
      if (!modelType || !supportedModelTypes().includes(modelType)) return [];
      const row = { modelType, name, installed: true as const, place: kind, folder };
      return [{ ...row, bytes: weightBytes(folder), complete: isComplete(folder) }];
    }),
  );
}

/** Undefined for what is no checkpoint: other programs keep all sorts of models in the same places. */
function modelTypeOf(folder: string): string | undefined {
  try {
    return String(readConfig(folder).model_type);
  } catch (error) {
    if (error instanceof AfterimageError) return undefined;
    throw error;
  }
}

function installedTable(rows: InstalledRow[]): string {
  if (rows.length === 0)
    return 'Installed: none but the bundled model; afterimage pull ORG/NAME downloads one.';
  const lines = rows.map(
    ({ name, modelType, bytes, complete, place, folder }) =>
      `${modelType.padEnd(14)}${name.padEnd(44)}${gib(bytes / GIB)}  ${complete ? '' : 'incomplete, '}${place}: ${folder}`,
  );
  return [
    `${'installed'.padEnd(14)}${'name for --model'.padEnd(44)}${'weights'.padStart(10)}`,
    ...lines,
  ].join('\n');
}

export function modelsTable(): string {
  const head = `${'model_type'.padEnd(14)}${'checkpoint'.padEnd(44)}${'parameters'.padStart(10)}${'4 bit'.padStart(10)}${'16 bit'.padStart(10)}`;
  const lines = modelRows().map(
    ({ modelType, name, parameters, gib4, gib16 }) =>
      `${modelType.padEnd(14)}${name.padEnd(44)}${`${(parameters / 1e9).toFixed(2)} B`.padStart(10)}${gib(gib4)}${gib(gib16)}`,
  );
  return [
    head,
    ...lines,
    '',
    'Memory is of the weights, the vision tower in 16 bits; add the KV cache (afterimage doctor shows its budget).',
  ].join('\n');
}

function gib(value: number): string {
  return `${value.toFixed(1)} GiB`.padStart(10);
}
