// Lines of text in pixels: where the detector's map has them, and the crops that the recogniser reads. The core does this
// in a thread of Node's pool; a script that has just been loaded takes longer for it than the networks for reading.
import type { RgbImage } from '../image/rgb-image.js';
import { fromNative, loadAddon } from './native.js';
import type { CutLine, Point } from './native-lines.js';

export type { CutLine, Ink, Placement } from './native-lines.js';

/** A connected part of a detector's map. */
export interface Component {
  /** Corners of its pixels' convex hull. */
  hull: Point[];
  /** Mean probability of its pixels. */
  score: number;
}

/** Eight-connected components of the pixels above `threshold`. @param map Probabilities, row-major. */
export async function findComponents(
  map: Float32Array,
  width: number,
  height: number,
  threshold: number,
): Promise<Component[]> {
  const { corners, ends, scores } = await settled(loadAddon().findComponents(map, width, height, threshold));
  return Array.from(scores, (score, at) => {
    const hull: Point[] = [];
    for (let i = ends[at - 1] ?? 0; i < ends[at]!; i += 2) hull.push({ x: corners[i]!, y: corners[i + 1]! });
    return { hull, score };
  });
}

/**
 * For each line in the boxes the ways to look at it: one, or where a box stands upright all that its text may run. A table's
 * cells that one box covers are lines.
 * @param known Hashes of cuts whose text is known.
 */
export function cutLines(
  picture: RgbImage,
  boxes: readonly { quad: readonly Point[]; level: boolean }[],
  known: Iterable<string> = [],
): Promise<CutLine[][]> {
  return settled(loadAddon().cutLines(picture, boxes, [...known]));
}

async function settled<T>(made: Promise<T>): Promise<T> {
  try {
    return await made;
  } catch (error) {
    throw fromNative(error);
  }
}
