// How the detector sees pictures of any size: at full resolution, large ones in overlapping tiles.
import type { RgbImage } from '../image/rgb-image.js';
import type { Region, Size } from '../image/region.js';
import { boundsOf, quadOf, type Bounds } from './quad.js';
import type { TextBox } from './text-boxes.js';

/** Sides that the detector takes are multiples of this. */
const MULTIPLE = 32;
/** A side up to this is seen whole. */
const WHOLE = 1600;
/** Sides of tiles of what is larger, and how far neighbours share pixels: more than a line of text is high. */
const TILE = 1280;
const SHARED = 160;

/**
 * Row by row, left to right; together they cover the picture.
 * @param scale How much larger than the picture the detector will see them.
 */
export function planTiles({ width, height }: Size, scale: number): Region[] {
  return pieces(height, scale).flatMap(([y, high]) =>
    pieces(width, scale).map(([x, wide]) => ({ x, y, width: wide, height: high })),
  );
}

function pieces(length: number, scale: number): [start: number, length: number][] {
  if (length * scale <= WHOLE) return [[0, length]];
  const [tile, shared] = [TILE / scale, SHARED / scale];
  const count = Math.ceil((length - shared) / (tile - shared));
  return Array.from({ length: count }, (_, at) => {
    const start = Math.min(at * (tile - shared), length - tile);
    return [start, tile];
  });
}

/** Whether a tile is the whole picture as the detector takes it. */
export function isWhole(tile: Size, picture: Size, scale: number): boolean {
  const { width, height } = picture;
  const sides = width % MULTIPLE === 0 && height % MULTIPLE === 0;
  return scale === 1 && sides && tile.width === width && tile.height === height;
}

/** Grown to sides that the detector takes, by repeating the last row and column. */
export function toDetectorSides({ width, height, data }: RgbImage): RgbImage {
  const wide = Math.ceil(width / MULTIPLE) * MULTIPLE;
  const high = Math.ceil(height / MULTIPLE) * MULTIPLE;
  if (wide === width && high === height) return { width, height, data };
  const grown = new Uint8Array(wide * high * 3);
  for (let y = 0; y < high; y++) {
    const from = Math.min(y, height - 1) * width * 3;
    const to = y * wide * 3;
    grown.set(data.subarray(from, from + width * 3), to);
    for (let x = width; x < wide; x++) grown.copyWithin(to + x * 3, to + (width - 1) * 3, to + width * 3);
  }
  return { width: wide, height: high, data: grown };
}

/**
 * Boxes of all tiles, in pixels of the picture, each line once. A line that a tile cuts off is whole in the neighbour,
 * which shares more pixels than a line is high; one that is longer than the shared part is put together.
 */
export function mergeTiles(tiles: readonly { tile: Region; boxes: TextBox[] }[], picture: Size): TextBox[] {
  const whole: TextBox[] = [];
  for (const { tile, boxes } of tiles) {
    for (const box of boxes) {
      const bounds = boundsOf(box.quad);
      if (cutAcross(bounds, tile, picture)) continue;
      add(whole, box);
    }
  }
  return whole;
}

/** Adds a box. What one tile found whole another one may have found in parts: all of them become one line. */
function add(whole: TextBox[], box: TextBox): void {
  const meets = (known: TextBox) => sameLine(boundsOf(known.quad), boundsOf(box.quad));
  const first = whole.findIndex(meets);
  if (first < 0) {
    whole.push(box);
    return;
  }
  const part = whole[first]!;
  let line = together(part, box);
  for (let at = whole.length - 1; at > first; at--) {
    const other = whole[at]!;
    // Lines below each other that one box meets stay two, and what is tilted is not put together.
    if (!line.level || !other.level || !meets(other) || !isLevel(boundsOf(part.quad), boundsOf(other.quad)))
      continue;
    line = together(line, other);
    whole.splice(at, 1);
  }
  whole[first] = line;
}

/** Pixels from an edge within which a box counts as cut by it: boxes are grown beyond what the map shows. */
const EDGE = 3;

/** Cut by the upper or lower edge of its tile, where the picture goes on. */
function cutAcross({ top, bottom }: Bounds, tile: Region, picture: Size): boolean {
  const above = tile.y > 0 && top < tile.y + EDGE;
  const below = tile.y + tile.height < picture.height && bottom > tile.y + tile.height - EDGE;
  return above || below;
}

/** Two boxes of one line: level with each other, and overlapping. */
function sameLine(a: Bounds, b: Bounds): boolean {
  return isLevel(a, b) && Math.min(a.right, b.right) > Math.max(a.left, b.left);
}

function isLevel(a: Bounds, b: Bounds): boolean {
  const shared = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return shared > 0.5 * Math.min(a.bottom - a.top, b.bottom - b.top);
}

function together(a: TextBox, b: TextBox): TextBox {
  const score = Math.max(a.score, b.score);
  const [first, second] = [boundsOf(a.quad), boundsOf(b.quad)];
  // Tilted lines are not put together: the one that shows more of the line stands.
  if (!a.level || !b.level) return first.right - first.left >= second.right - second.left ? a : b;
  return { quad: quadOf(boundsOf([...a.quad, ...b.quad])), level: true, score };
}
