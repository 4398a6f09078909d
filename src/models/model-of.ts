// A checkpoint and its family → the model, within bounds that hold for every family.
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { reading } from './checkpoint/plain-file.js';
import type { Family, Model } from './family.js';
import { requireReadableQuantization } from './checkpoint/stated-quantization.js';
import { bounded } from './processors/bounded.js';

/** @throws AfterimageError INVALID_CHECKPOINT, MODEL_UNSUPPORTED */
export function modelOf(checkpoint: Checkpoint, family: Family): Model {
  requireReadableQuantization(checkpoint.config, family.checkpoints[0]?.name);
  const model = reading(checkpoint.folder, () => family.build(checkpoint));
  return { ...model, processor: bounded(model.processor) };
}
