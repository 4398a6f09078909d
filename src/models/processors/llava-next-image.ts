// LLaVA-NeXT's image processor ("anyres", Liu et al. 2024, https://llava-vl.github.io/blog/2024-01-30-llava-next): the
// image as a whole in one square frame, then larger, in tiles of a grid chosen to fit its shape.
import { resize } from '../../image/resize.js';
import type { RgbImage } from '../../image/rgb-image.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { Config } from '../checkpoint/config.js';
import type { NamedTensor, Processor } from '../family.js';
import { framePatches, frameSide, type SquareFrameOptions } from './clip-image.js';
import {
  channelTables,
  crop,
  floatTensor,
  indexTensor,
  normalization,
  pixelStep,
  resampleFilter,
} from './pixels.js';
import { roundHalfEven, type Size } from './smart-resize.js';

/** Rows and columns of tokens of the tiled picture; those that show nothing but padding are cut off at both ends. */
interface TokenGrid {
  rows: number;
  columns: number;
  cutRows: number;
  cutColumns: number;
}

export function llavaNextImageProcessor(
  checkpoint: Checkpoint,
  pinpoints: Size[],
  options: SquareFrameOptions,
): Processor {
  const settings = new Config(checkpoint.imageProcessor, 'preprocessor_config.json');
  const side = frameSide(settings);
  const filter = resampleFilter(settings, 'bicubic');
  const tables = channelTables(settings);
  const perSide = side / options.patch;

  const among = (choices: Size[]): Processor => ({
    identity: JSON.stringify({
      rule: 'llava_next',
      side,
      choices,
      filter,
      settings: normalization(settings),
    }),
    pixelStep: pixelStep(tables),
    plan(width, height) {
      const canvas = bestFit({ width, height }, choices);
      const frames = 1 + (canvas ? (canvas.width * canvas.height) / side ** 2 : 0);
      const grid = canvas && tokenGrid({ width, height }, canvas, side, perSide);
      const tokens = perSide ** 2 + (grid ? shownRows(grid) * (shownColumns(grid) + 1) : 0);
      const viewed = canvas ?? { width: side, height: side };
      return {
        tokens,
        viewedWidth: viewed.width,
        viewedHeight: viewed.height,
        symbols: { ...options.symbols(frames, perSide), tokens },
        placeholder: options.placeholder(tokens),
        layout: { image_sizes: [height, width] },
      };
    },
    inputs(image) {
      const canvas = bestFit(image, choices);
      const tiles = canvas ? tilesOf(padded(image, canvas, filter), side) : [];
      const frames = [resize(image, side, side, filter), ...tiles];
      return {
        pixel_values: framePatches(frames, tables, options.patch),
        ...options.tables(frames.length, perSide),
        ...tokenTables(canvas && tokenGrid(image, canvas, side, perSide), perSide),
      };
    },
    limitedTo: (most) => among(choices.filter(({ width, height }) => width * height <= most)),
  });
  return among(pinpoints);
}

/** The canvas that shows most of the image's pixels, of those the one with the least left over, of those the first. */
function bestFit(image: Size, choices: Size[]): Size | null {
  let best: { canvas: Size; shown: number; waste: number } | null = null;
  for (const canvas of choices) {
    const scale = Math.min(canvas.width / image.width, canvas.height / image.height);
    const area = Math.trunc(image.width * scale) * Math.trunc(image.height * scale);
    const shown = Math.min(area, image.width * image.height);
    const waste = canvas.width * canvas.height - shown;
    if (!best || shown > best.shown || (shown === best.shown && waste < best.waste))
      best = { canvas, shown, waste };
  }
  return best?.canvas ?? null;
}

/** The image as large as the canvas allows, in its middle, on black. */
function padded(image: RgbImage, canvas: Size, filter: Parameters<typeof resize>[3]): RgbImage {
  const [across, down] = [canvas.width / image.width, canvas.height / image.height];
  const size =
    across < down
      ? { width: canvas.width, height: Math.min(Math.ceil(image.height * across), canvas.height) }
      : { width: Math.min(Math.ceil(image.width * down), canvas.width), height: canvas.height };
  const scaled = resize(image, size.width, size.height, filter);
  const [left, top] = [canvas.width - size.width, canvas.height - size.height].map((spare) =>
    Math.floor(spare / 2),
  );
  const data = new Uint8Array(canvas.width * canvas.height * 3);
  for (let y = 0; y < size.height; y++) {
    const row = scaled.data.subarray(y * size.width * 3, (y + 1) * size.width * 3);
    data.set(row, ((y + top!) * canvas.width + left!) * 3);
  }
  return { width: canvas.width, height: canvas.height, data };
}

function tilesOf(canvas: RgbImage, side: number): RgbImage[] {
  const [rows, columns] = [canvas.height / side, canvas.width / side];
  return Array.from({ length: rows * columns }, (_, i) =>
    crop(canvas, (i % columns) * side, Math.floor(i / columns) * side, side, side),
  );
}

/** Decided from the shapes of image and canvas, not from the padding made: the two may differ by a token. */
function tokenGrid(image: Size, canvas: Size, side: number, perSide: number): TokenGrid {
  const [rows, columns] = [(canvas.height / side) * perSide, (canvas.width / side) * perSide];
  const rounded = (length: number): number => Math.trunc(roundHalfEven(length * 1e7) / 1e7);
  if (image.width / image.height > columns / rows) {
    const shown = rounded(image.height * (columns / image.width));
    return { rows, columns, cutRows: Math.floor((rows - shown) / 2), cutColumns: 0 };
  }
  const shown = rounded(image.width * (rows / image.height));
  return { rows, columns, cutRows: 0, cutColumns: Math.floor((columns - shown) / 2) };
}

const shownRows = ({ rows, cutRows }: TokenGrid): number => rows - 2 * cutRows;
const shownColumns = ({ columns, cutColumns }: TokenGrid): number => columns - 2 * cutColumns;

/** Which patch each token is, −1 for the line break behind each row of the tiled picture. */
function tokenTables(grid: TokenGrid | null, perSide: number): Record<string, NamedTensor> {
  const area = perSide ** 2;
  const order = Array.from({ length: area }, (_, i) => i);
  for (let y = grid?.cutRows ?? 0; grid && y < grid.rows - grid.cutRows; y++) {
    for (let x = grid.cutColumns; x < grid.columns - grid.cutColumns; x++) {
      const tile = 1 + Math.floor(y / perSide) * (grid.columns / perSide) + Math.floor(x / perSide);
      order.push(tile * area + (y % perSide) * perSide + (x % perSide));
    }
    order.push(-1);
  }
  return {
    token_index: indexTensor(order),
    newline_index: indexTensor(order.map(() => 0)),
    newline_weight: floatTensor(
      order.map((patch) => (patch < 0 ? 1 : 0)),
      1,
    ),
  };
}
