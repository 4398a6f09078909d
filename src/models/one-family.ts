// A checkpoint folder as a model whose family alone is loaded: each thread that opens one would else load all of them.
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import type { Checkpoint, TokenIds } from './checkpoint/checkpoint.js';
import { openCheckpoint, readConfig } from './checkpoint/checkpoint-folder.js';
import { reading } from './checkpoint/plain-file.js';
import type { Family, Model } from './family.js';
import { modelOf } from './model-of.js';

/** As `openModel` of the registry. @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, INVALID_CHECKPOINT, IO_FAILED */
export async function openAlone(
  folder: string,
  tokenIds?: TokenIds,
  vision?: string,
): Promise<{ checkpoint: Checkpoint; model: Model }> {
  // The family first: a checkpoint that is not supported is refused by name, whatever else it lacks.
  const family = await familyAlone({ config: reading(folder, () => readConfig(folder, vision)) });
  const checkpoint = reading(folder, () => openCheckpoint(folder, tokenIds, vision));
  return { checkpoint, model: modelOf(checkpoint, family) };
}

/** Its file is called as its first model type; where none is, the registry knows. @throws AfterimageError MODEL_UNSUPPORTED */
export async function familyAlone(checkpoint: Pick<Checkpoint, 'config'>): Promise<Family> {
  const modelType = checkpoint.config.model_type;
  const file = new URL(`./${String(modelType)}${extname(import.meta.url)}`, import.meta.url);
  // What a stranger wrote names a file of this folder or none.
  if (typeof modelType === 'string' && /^[a-z0-9_]+$/.test(modelType) && existsSync(file)) {
    const exported = Object.values((await import(file.href)) as Record<string, Partial<Family>>);
    const family = exported.find(({ modelTypes }) => modelTypes?.includes(modelType));
    if (family) return family as Family;
  }
  const { familyOf } = await import('./registry.js');
  return familyOf(checkpoint);
}
