// A smaller view of images than the checkpoint's own: fewer image tokens, less memory, less detail.
import type { Checkpoint } from '../checkpoint/checkpoint.js';

type Json = Record<string, unknown>;

/**
 * The checkpoint with its processor limited to about `maxPixels` per image. Families that resize every image to one
 * fixed size (Gemma 3, PaliGemma) are not changed.
 */
export function limitPixels(checkpoint: Checkpoint, maxPixels: number): Checkpoint {
  const settings = checkpoint.imageProcessor;
  const limited = limitedSettings(String(checkpoint.config.model_type), settings, maxPixels);
  return { ...checkpoint, imageProcessor: { ...settings, ...limited } };
}

function limitedSettings(modelType: string, settings: Json, maxPixels: number): Json {
  const size = (settings.size ?? {}) as Json;
  const side = Math.floor(Math.sqrt(maxPixels));
  if (modelType.startsWith('qwen')) {
    const least = Math.min(Number(settings.min_pixels ?? size.shortest_edge ?? 0), maxPixels);
    const areas = 'shortest_edge' in size ? { size: { shortest_edge: least, longest_edge: maxPixels } } : {};
    return { min_pixels: least, max_pixels: maxPixels, ...areas };
  }
  if (modelType === 'idefics3' || modelType === 'smolvlm') {
    const tile = Number((settings.max_image_size as Json | undefined)?.longest_edge ?? 364);
    return { size: { ...size, longest_edge: Math.max(tile, Math.floor(side / tile) * tile) } };
  }
  if (modelType === 'mistral3' || modelType === 'llava' || modelType === 'pixtral') {
    return { size: { ...size, longest_edge: Math.min(Number(size.longest_edge ?? side), side) } };
  }
  if (modelType.startsWith('kimi'))
    return { in_token_limit: Math.floor(maxPixels / 196), in_patch_limit: Math.floor(maxPixels / 196) };
  return {};
}
