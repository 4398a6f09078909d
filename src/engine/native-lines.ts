// What the addon offers for lines of text in pixels (native/addon/lines.h).
import type { RgbImage } from '../image/rgb-image.js';

export interface Point {
  x: number;
  y: number;
}

/** Where a line of text has ink, without rules and frames. */
export interface Ink {
  width: number;
  height: number;
  /** Contrast to the background in parts of 255 of the line's strongest, row-major. */
  contrast: Uint8Array;
}

/** How a cut's own pixels lie in the picture it came from. */
export interface Placement {
  /** Top left corner. */
  origin: Point;
  /** Of one pixel along the line, and across it, downwards. */
  along: Point;
  across: Point;
}

/** One way to look at a detected box. */
export interface CutLine {
  /** What it takes to read it; absent where its text is known. */
  view?: { crop: RgbImage; ink: Ink };
  placement: Placement;
  /** Of the cut; lines that look the same read the same. */
  hash: string;
}

export interface NativeLines {
  /** A component's hull is what lies between its end and the one before, counted in numbers. */
  findComponents(
    map: Float32Array,
    width: number,
    height: number,
    threshold: number,
  ): Promise<{ corners: Int32Array; ends: Int32Array; scores: Float64Array }>;
  /** The picture's pixels stay as they are until the promise settles. */
  cutLines(
    picture: RgbImage,
    boxes: readonly { quad: readonly Point[]; level: boolean }[],
    known: readonly string[],
  ): Promise<CutLine[][]>;
}
