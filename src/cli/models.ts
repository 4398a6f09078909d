// afterimage models: what is installed, every supported family with its real checkpoints, and the memory they need.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryToLook } from '../engine/memory-to-look.js';
import { findModel, modelName } from '../engine/model-folder.js';
import { copiesOf, isComplete, namesThere, weightBytes, type PlaceKind } from '../engine/model-places.js';
import { loadedThere } from '../engine/remote/lent-models.js';
import { RemoteEngine } from '../engine/remote/remote-engine.js';
import { defaultSocket, socketPath } from '../engine/remote/socket-file.js';
import { AfterimageError } from '../errors.js';
import { readConfig } from '../models/checkpoint/checkpoint-folder.js';
import { bytesIn16Bits, bytesIn4Bits } from '../models/checkpoint-size.js';
import { families, supportedModelTypes } from '../models/registry.js';
import { removeModel } from '../pull/remove.js';
import { writeJson } from './json-line.js';
import type { Options } from './options.js';

const GIB = 2 ** 30;
/** A resident engine that is still loading is not waited for. */
const RESIDENT_MS = 2000;

export interface ModelRow {
  modelType: string;
  name: string;
  /** What it is best at, in a few words. */
  bestAt: string;
  parameters: number;
  gib4: number;
  gib16: number;
}

/**
 * For screens, by a public comparison of 23 local models (2026; thinking switched off): what fits a machine beside
 * everything else that it does.
 */
export const RECOMMENDED: readonly { memoryGb: number; name: string }[] = [
  { memoryGb: 8, name: 'mlx-community/Qwen3.5-4B-MLX-4bit' },
  { memoryGb: 16, name: 'mlx-community/Qwen3.5-9B-MLX-4bit' },
  { memoryGb: 32, name: 'mlx-community/Qwen3.5-27B-4bit' },
  { memoryGb: 64, name: 'mlx-community/Qwen3.6-27B-mxfp8' },
];

export interface InstalledRow {
  modelType: string;
  name: string;
  installed: true;
  place: PlaceKind;
  folder: string;
  /** Of the weights, on disk. */
  bytes: number;
  complete: boolean;
  /** Bytes of memory to look at a screen, weights included; absent where it cannot be loaded. */
  memory?: number;
  /** What is used where no --model is given. */
  default: boolean;
  /** By the engine that `afterimage serve` keeps resident. */
  loaded: boolean;
}

export async function models(options: Options): Promise<void> {
  const name = options.text('remove');
  if (name !== undefined) return remove(name, options.flag('json'));
  const resident = await residentModels();
  const installed = installedRows(resident);
  if (options.flag('json')) return writeJson({ installed, supported: modelRows(), recommended: RECOMMENDED });
  process.stdout.write(`${installedTable(installed, resident)}\n\n${modelsTable()}\n`);
}

async function remove(name: string, json: boolean): Promise<void> {
  const { removed, left } = await removeModel(name);
  if (json) return writeJson({ removed, left });
  for (const { folder, bytes } of removed)
    process.stdout.write(`Removed ${folder} (${(bytes / 1e9).toFixed(2)} GB)\n`);
  for (const folder of left) process.stdout.write(`Left ${folder}, which is LM Studio's\n`);
}

export function modelRows(): ModelRow[] {
  return families.flatMap(({ modelTypes, bestAt, checkpoints }) =>
    checkpoints.map((checkpoint) => ({
      modelType: modelTypes[0]!,
      name: checkpoint.name,
      bestAt,
      parameters: checkpoint.parameters,
      gib4: bytesIn4Bits(checkpoint) / GIB,
      gib16: bytesIn16Bits(checkpoint) / GIB,
    })),
  );
}

/** Copies of models that are supported, in the order `--model` prefers them. */
export function installedRows(resident: readonly string[] = []): InstalledRow[] {
  const usual = findModelOrNone();
  return namesThere().flatMap((name) =>
    copiesOf(name).flatMap(({ kind, folder }) => {
      const modelType = modelTypeOf(folder);
      if (!modelType || !supportedModelTypes().includes(modelType)) return [];
      const complete = isComplete(folder);
      const memory = complete ? memoryOf(folder) : undefined;
      return [
        {
          modelType,
          name,
          installed: true as const,
          place: kind,
          folder,
          bytes: weightBytes(folder),
          complete,
          ...(memory !== undefined && { memory }),
          default: folder === usual,
          loaded: complete && resident.includes(name),
        },
      ];
    }),
  );
}

/** What is used where no --model is given; undefined where $AFTERIMAGE_MODEL names what is not there. */
function findModelOrNone(): string | undefined {
  return withoutCode(() => findModel());
}

function memoryOf(folder: string): number | undefined {
  return withoutCode(() => memoryToLook(folder));
}

/** Names of the models that the engine holds that listens where `--remote` looks; none where none answers. */
async function residentModels(): Promise<string[]> {
  const socket = socketPath(defaultSocket());
  if (!existsSync(socket)) return [];
  const engine = new RemoteEngine(socket);
  try {
    const late = sleep(RESIDENT_MS, undefined, { ref: false });
    return (await Promise.race([loadedThere(engine), late])) ?? [];
  } catch (error) {
    if (error instanceof AfterimageError) return [];
    throw error;
  } finally {
    await engine.close();
  }
}

function withoutCode<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof AfterimageError) return undefined;
    throw error;
  }
}

/** Undefined for what is no checkpoint: other programs keep all sorts of models in the same places. */
function modelTypeOf(folder: string): string | undefined {
  return withoutCode(() => String(readConfig(folder).model_type));
}

function installedTable(rows: InstalledRow[], resident: string[]): string {
  const usual =
    withoutCode(() => modelName(findModel())) ?? 'not there any more; choose another with `afterimage use`';
  const held = resident.length > 0 ? `\nLoaded by afterimage serve: ${resident.join(', ')}` : '';
  const said = `Default: ${usual}${held}`;
  if (rows.length === 0)
    return `Installed: none but the bundled model; afterimage pull ORG/NAME downloads one.\n${said}`;
  const lines = rows.map(
    ({ name, modelType, bytes, memory, place, folder, ...state }) =>
      `${modelType.padEnd(16)}${name.padEnd(44)}${gib(bytes / GIB)}${memory === undefined ? ' '.repeat(10) : gib(memory / GIB)}  ${stateOf(state)}${place}: ${folder}`,
  );
  return [
    `${'installed'.padEnd(16)}${'name for --model'.padEnd(44)}${'on disk'.padStart(10)}${'memory'.padStart(10)}`,
    ...lines,
    said,
  ].join('\n');
}

function stateOf(row: Pick<InstalledRow, 'complete' | 'default' | 'loaded'>): string {
  const words = [
    ...(row.complete ? [] : ['incomplete']),
    ...(row.default ? ['default'] : []),
    ...(row.loaded ? ['loaded by afterimage serve'] : []),
  ];
  return words.map((word) => `${word}, `).join('');
}

export function modelsTable(): string {
  const head = `${'model_type'.padEnd(16)}${'checkpoint'.padEnd(44)}${'parameters'.padStart(10)}${'4 bit'.padStart(10)}${'16 bit'.padStart(10)}  best at`;
  const lines = modelRows().map(
    ({ modelType, name, parameters, gib4, gib16, bestAt }) =>
      `${modelType.padEnd(16)}${name.padEnd(44)}${`${(parameters / 1e9).toFixed(2)} B`.padStart(10)}${gib(gib4)}${gib(gib16)}  ${bestAt}`,
  );
  const advice = RECOMMENDED.map(({ memoryGb, name }) => `${`${memoryGb} GB`.padStart(6)}  ${name}`);
  return [
    head,
    ...lines,
    '',
    'Sizes are of the weights, the vision tower in 16 bits. Of what is installed, memory is what looking at one screen takes.',
    '',
    'For screens, on a machine with as much memory:',
    ...advice,
  ].join('\n');
}

function gib(value: number): string {
  return `${value.toFixed(1)} GiB`.padStart(10);
}
