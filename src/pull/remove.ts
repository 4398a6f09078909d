// Deletes a downloaded model: its own folders and nothing beside them.
import { existsSync } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hubHome, isModelName, modelPlaces } from '../engine/model-places.js';
import { AfterimageError } from '../errors.js';
import { HubCache } from './hub-cache.js';

export interface Removed {
  removed: { folder: string; bytes: number }[];
  /** Copies of another program, which stay. */
  left: string[];
}

/**
 * @param name `org/name`
 * @throws AfterimageError INVALID_ARGUMENT, MODEL_NOT_FOUND; IO_FAILED while the model is being pulled
 */
export async function removeModel(name: string): Promise<Removed> {
  if (!isModelName(name))
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected org/name for --remove but received "${name}"; \`afterimage models\` lists those there are.`,
    );
  const found = modelPlaces()
    .map(({ kind, root }) => ({
      kind,
      root,
      folder: kind === 'Hugging Face' ? hubHome(root, name) : join(root, name),
    }))
    .filter(({ folder }) => existsSync(folder));
  const left = found.filter(({ kind }) => kind === 'LM Studio').map(({ folder }) => folder);
  const ours = found.filter(({ kind }) => kind !== 'LM Studio');
  if (ours.length === 0)
    throw new AfterimageError(
      'MODEL_NOT_FOUND',
      left[0]
        ? `"${name}" belongs to LM Studio (${left[0]}); remove it there.`
        : `There is no downloaded model "${name}"; \`afterimage models\` lists those there are.`,
    );
  const removed = [];
  for (const { kind, root, folder } of ours) {
    const unlock = kind === 'Hugging Face' ? await new HubCache(root, name).lock() : undefined;
    try {
      removed.push({ folder, bytes: await bytesOf(folder) });
      // A link is removed, never what it leads to.
      await rm(folder, { recursive: true });
    } finally {
      await unlock?.();
    }
  }
  return { removed, left };
}

async function bytesOf(path: string): Promise<number> {
  const info = await lstat(path);
  if (!info.isDirectory()) return info.isFile() ? info.size : 0;
  let sum = 0;
  for (const entry of await readdir(path)) sum += await bytesOf(join(path, entry));
  return sum;
}
