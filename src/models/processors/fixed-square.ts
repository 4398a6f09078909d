// SigLIP's image processor: every image becomes one square of a fixed size, its aspect ratio ignored; where pan and
// scan is on, so do its crops.
import { resize } from '../../image/resize.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { NamedTensor, Processor } from '../family.js';
import type { RgbImage } from '../../image/rgb-image.js';
import { panAndScanCrops, panAndScanSettings, type Crop, type PanAndScan } from './pan-and-scan.js';
import {
  channelTables,
  crop,
  pixelStep,
  normalization,
  resampleFilter,
  type ChannelTables,
} from './pixels.js';
import type { Size } from './smart-resize.js';
import { frameInputs } from './square-frames.js';

export interface FixedSquareOptions {
  patch: number;
  tokensPerFrame: number;
  /** Text of an image of so many frames: the whole image and its crops. */
  placeholder: (frames: number) => string;
  /** What the vision program reads of the frames, where it is not patches and their positions. */
  rows?: (frames: RgbImage[], channels: ChannelTables) => Record<string, NamedTensor>;
  /** Further tables of the vision program. */
  tables?: (frames: number) => Record<string, NamedTensor>;
}

export function fixedSquareProcessor(checkpoint: Checkpoint, options: FixedSquareOptions): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json');
  const side = settings.section('size').count('height');
  const filter = resampleFilter(settings, 'bicubic');
  const tables = channelTables(settings);
  const { patch, tokensPerFrame } = options;
  const scanning = (scan: PanAndScan | null): Processor => ({
    identity: JSON.stringify({
      rule: 'fixed_square',
      side,
      filter,
      patch,
      scan,
      settings: normalization(settings),
    }),
    pixelStep: pixelStep(tables),
    plan(width, height) {
      const frames = 1 + cropsOf({ width, height }, scan).length;
      const tokens = frames * tokensPerFrame;
      return {
        tokens,
        viewedWidth: side,
        viewedHeight: side,
        symbols: { patches: frames * (side / patch) ** 2, tokens, segments: frames + 1 },
        placeholder: options.placeholder(frames),
        layout: {},
      };
    },
    inputs(image) {
      const views = [
        image,
        ...cropsOf(image, scan).map(({ x, y, width, height }) => crop(image, x, y, width, height)),
      ];
      const frames = views.map((view) => resize(view, side, side, filter));
      const rows = options.rows?.(frames, tables) ?? frameInputs(frames, tables, patch);
      return { ...rows, ...options.tables?.(frames.length) };
    },
    // Every frame has the same size; only their number can be limited.
    limitedTo: (maxPixels) => scanning(withCrops(scan, Math.floor(maxPixels / side ** 2) - 1)),
  });
  return scanning(panAndScanSettings(settings));
}

function cropsOf(size: Size, scan: PanAndScan | null): Crop[] {
  return scan ? panAndScanCrops(size, scan) : [];
}

/** One crop would show the whole image once more. */
function withCrops(scan: PanAndScan | null, most: number): PanAndScan | null {
  return scan && most >= 2 ? { ...scan, maxCrops: Math.min(scan.maxCrops, most) } : null;
}
