// Every family there is. A new one adds its file and one line here.
import { AfterimageError } from '../errors.js';
import type { Checkpoint, TokenIds } from './checkpoint/checkpoint.js';
import { openCheckpoint, readConfig } from './checkpoint/checkpoint-folder.js';
import { reading } from './checkpoint/plain-file.js';
import type { Family, Model } from './family.js';
import { modelOf } from './model-of.js';
import { internVl } from './internvl.js';
import { deepSeekOcr2 } from './deepseek_ocr2.js';
import { idefics3 } from './idefics3.js';
import { gemma3 } from './gemma3.js';
import { gemma3n } from './gemma3n.js';
import { gemma4 } from './gemma4.js';
import { gemma4Unified } from './gemma4_unified.js';
import { glm4v } from './glm4v.js';
import { glmOcr } from './glm_ocr.js';
import { kimiK25, kimiVl } from './kimi_k25.js';
import { lfm2Vl } from './lfm2_vl.js';
import { lightOnOcr } from './lighton_ocr.js';
import { llava } from './llava.js';
import { llavaNext } from './llava_next.js';
import { miniCpmV46 } from './minicpmv4_6.js';
import { locateAnything } from './locateanything.js';
import { mistral3 } from './mistral3.js';
import { paddleOcrVl } from './paddleocr_vl.js';
import { paligemma } from './paligemma.js';
import { qwen2Vl } from './qwen2_vl.js';
import { qwen2_5Vl } from './qwen2_5_vl.js';
import { qwen3_5, qwen3_5Moe } from './qwen3_5.js';
import { qwen3Vl } from './qwen3_vl.js';
import { qwen3VlMoe } from './qwen3_vl_moe.js';

export const families: readonly Family[] = [
  qwen2Vl,
  qwen2_5Vl,
  qwen3Vl,
  idefics3,
  paligemma,
  gemma3,
  gemma3n,
  gemma4,
  gemma4Unified,
  glm4v,
  glmOcr,
  mistral3,
  lightOnOcr,
  internVl,
  miniCpmV46,
  paddleOcrVl,
  deepSeekOcr2,
  llava,
  llavaNext,
  lfm2Vl,
  qwen3_5,
  qwen3_5Moe,
  qwen3VlMoe,
  kimiVl,
  kimiK25,
  locateAnything,
];

export function supportedModelTypes(): string[] {
  return families.flatMap((family) => family.modelTypes);
}

/** @throws AfterimageError MODEL_UNSUPPORTED naming the type and the supported ones. */
export function familyOf({ config }: Pick<Checkpoint, 'config'>): Family {
  const modelType = config.model_type;
  const family = families.find(({ modelTypes }) => modelTypes.includes(String(modelType)));
  if (family) return family;
  const found =
    typeof modelType === 'string' ? `The model type "${modelType}"` : 'A config.json without "model_type"';
  throw new AfterimageError(
    'MODEL_UNSUPPORTED',
    `${found} is not supported; supported are ${supportedModelTypes().join(', ')}.`,
  );
}

/** @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, INVALID_CHECKPOINT, IO_FAILED */
export function openModel(
  folder: string,
  tokenIds?: TokenIds,
  vision?: string,
): { checkpoint: Checkpoint; model: Model } {
  // The family first: a checkpoint that is not supported is refused by name, whatever else it lacks.
  familyOf({ config: reading(folder, () => readConfig(folder, vision)) });
  const checkpoint = reading(folder, () => openCheckpoint(folder, tokenIds, vision));
  return { checkpoint, model: buildModel(checkpoint) };
}

/** @throws AfterimageError MODEL_UNSUPPORTED, INVALID_CHECKPOINT */
export function buildModel(checkpoint: Checkpoint): Model {
  return modelOf(
    checkpoint,
    reading(checkpoint.folder, () => familyOf(checkpoint)),
  );
}
