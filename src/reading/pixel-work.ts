// The part of reading that touches many pixels; runs in worker threads. Everything else of reading is cheap.
import { createHash } from 'node:crypto';
import type { RgbImage } from '../image/rgb-image.js';
import { crop, type Region } from '../image/region.js';
import { resize } from '../image/resize.js';
import { textInk } from './frames.js';
import type { Ink } from './ink.js';
import { toCrop } from './line-crop.js';
import { cutLevel, cutTilted, type LineCut, type Placement } from './line-cut.js';
import { boundsOf, type Quad } from './quad.js';
import { findTextBoxes, type TextBox } from './text-boxes.js';
import { toDetectorSides } from './tiles.js';

/** A part of a picture as the detector takes it: enlarged, and grown to sides that are multiples of 32. */
export function prepareTile(input: { picture: RgbImage; tile: Region; scale: number }): RgbImage {
  const { picture, tile, scale } = input;
  const part = crop(picture, tile);
  const side = (length: number) => Math.round(length * scale);
  const seen = scale === 1 ? part : resize(part, side(part.width), side(part.height), 'bicubic');
  return toDetectorSides(seen);
}

export function boxesOf(input: { map: Float32Array; width: number; height: number }): TextBox[] {
  return findTextBoxes(input.map, input.width, input.height);
}

/** One way to look at a detected box. */
export interface CutLine {
  /** What it takes to read it; absent where its text is known. */
  view?: { crop: RgbImage; ink: Ink };
  placement: Placement;
  /** Of the cut; lines that look the same read the same. */
  hash: string;
}

/**
 * For each line in the boxes the ways to look at it: one, or where a box stands upright all that its text may run.
 * @param input `known`: hashes of cuts whose text is known.
 */
export function cutLines(input: {
  picture: RgbImage;
  boxes: TextBox[];
  known?: ReadonlySet<string>;
}): CutLine[][] {
  const { picture, boxes, known } = input;
  return boxes.flatMap((box) => waysToCut(picture, box).map((ways) => ways.map((cut) => toCut(cut, known))));
}

/** A box so many times higher than wide may hold one upright character or a line that runs up or down. */
const UPRIGHT = 1.5;

function waysToCut(picture: RgbImage, { quad, level }: TextBox): LineCut[][] {
  const bounds = boundsOf(quad);
  const standing = bounds.bottom - bounds.top > UPRIGHT * (bounds.right - bounds.left);
  if (level) return cutLevel(picture, bounds).map((cell) => [cell]);
  const tilted = cutTilted(picture, quad);
  if (!standing) return [[tilted]];
  const opposite: Quad = [quad[2], quad[3], quad[0], quad[1]];
  const upright = cutLevel(picture, bounds);
  const ways = upright.length === 1 ? upright : [];
  return [[tilted, cutTilted(picture, opposite), ...ways]];
}

function toCut({ line, placement }: LineCut, known?: ReadonlySet<string>): CutLine {
  const hash = createHash('sha256').update(`${line.width} ${line.height}\n`).update(line.data).digest('hex');
  if (known?.has(hash)) return { placement, hash };
  return { view: { crop: toCrop(line), ink: textInk(line).ink }, placement, hash };
}
