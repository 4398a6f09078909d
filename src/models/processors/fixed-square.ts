// SigLIP's image processor: every image becomes one square of a fixed size, its aspect ratio ignored.
import { resize } from '../../image/resize.js';
import type { Checkpoint } from '../checkpoint.js';
import { Config } from '../config.js';
import type { NamedTensor, Processor } from '../family.js';
import { channelTables, greyLevel, normalization, resampleFilter } from './pixels.js';
import { frameInputs } from './square-frames.js';

export interface FixedSquareOptions {
  patch: number;
  tokens: number;
  placeholder: string;
  /** Tables of the vision program that are the same for every image. */
  tables?: Record<string, NamedTensor>;
}

export function fixedSquareProcessor(checkpoint: Checkpoint, options: FixedSquareOptions): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json');
  const side = settings.section('size').count('height');
  const filter = resampleFilter(settings, 'bicubic');
  const tables = channelTables(settings);
  const { patch, tokens, placeholder } = options;
  return {
    identity: JSON.stringify({
      rule: 'fixed_square',
      side,
      filter,
      patch,
      settings: normalization(settings),
    }),
    greyLevel: greyLevel(tables),
    plan: () => ({
      tokens,
      viewedWidth: side,
      viewedHeight: side,
      symbols: { patches: (side / patch) ** 2, tokens, segments: 2 },
      placeholder,
      layout: {},
    }),
    inputs: (image) => ({
      ...frameInputs([resize(image, side, side, filter)], tables, patch),
      ...options.tables,
    }),
  };
}
