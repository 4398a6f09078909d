// Which quantization config.json states, to refuse a checkpoint before its weights are downloaded. Once they are there,
// the tensors themselves tell (quantization.ts).
import { AfterimageError } from '../../errors.js';
import type { Json } from './json-file.js';

const MLX_MODES = ['affine', 'mxfp4', 'mxfp8', 'nvfp4'];

/** @throws AfterimageError MODEL_UNSUPPORTED naming the method. */
export function requireReadableQuantization(config: Json): void {
  for (const section of [config, config['text_config'], config['llm_config']]) {
    const { quantization, quantization_config: stated } = object(section);
    const unknown = unreadable(object(stated)) ?? unreadableMlx(object(quantization));
    if (unknown === undefined) continue;
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `This checkpoint is quantized by ${unknown}, which is not supported; take an MLX or an unquantized one of the same model.`,
    );
  }
}

function unreadable(stated: Json): string | undefined {
  const { quant_method: method, format } = stated;
  if (method === undefined || method === null || method === 'mlx') return unreadableMlx(stated);
  if (method === 'fp8') return undefined;
  if (method !== 'compressed-tensors') return `"${String(method)}"`;
  return format === undefined || format === 'pack-quantized'
    ? undefined
    : `"${method}" as "${String(format)}"`;
}

/** MLX writes the same under both keys, with one entry per module that differs. */
function unreadableMlx({ mode }: Json): string | undefined {
  return mode === undefined || MLX_MODES.includes(String(mode)) ? undefined : `MLX's "${String(mode)}"`;
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
