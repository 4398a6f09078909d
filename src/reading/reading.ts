// What reading a picture yields: lines of text with places, in reading order.
import type { ImageInput } from '../image/rgb-image.js';
import type { Region } from '../image/region.js';
import { boundsOf, quadOf, type Bounds, type Point, type Quad } from './quad.js';

/** A character, or the mark for one that could not be read, and where it stands: shares of the line's length. */
export interface CharacterPlace {
  text: string;
  from: number;
  to: number;
}

export interface ReadLine {
  text: string;
  /** Mean probability of its characters, 0…1. */
  confidence: number;
  /** Upright, whole pixels of the picture. */
  box: Region;
  /** Of text that is not level: its corners in reading direction. */
  quad?: Quad;
  /** All that are no space, in order. */
  characters: CharacterPlace[];
}

export interface Reading {
  width: number;
  height: number;
  /** In reading order. */
  lines: ReadLine[];
  /** Lines that stand side by side in one row of the page, as indices into `lines`. */
  rows: number[][];
}

export interface ReadOptions {
  signal?: AbortSignal;
  /** Lines read so far, of how many; before they are found, 0 of nothing. */
  onProgress?: (done: number, total?: number) => void;
}

/** Reads pictures; what it has read it knows. */
export interface Reader {
  /** Loads what reading takes, ahead of the first picture. @throws AfterimageError what opening the networks throws */
  begin(): Promise<void>;
  /** @throws AfterimageError CANCELLED, CLOSED, and what decoding and the networks throw. */
  read(image: ImageInput, options?: ReadOptions): Promise<Reading>;
  close(): Promise<void>;
}

/** The text as people write it: a row of the page on a line. */
export function textOf({ lines, rows }: Reading): string {
  return rows.map((row) => row.map((at) => lines[at]!.text).join(' ')).join('\n');
}

export function middleOf({ x, y, width, height }: Region): Point {
  return { x: x + width / 2, y: y + height / 2 };
}

export function boundsOfRegion({ x, y, width, height }: Region): Bounds {
  return { left: x, top: y, right: x + width, bottom: y + height };
}

/** The part of a line between two shares of its length. */
export function partOf({ box, quad }: ReadLine, from: number, to: number): Bounds {
  const [a, b, c, d] = quad ?? quadOf(boundsOfRegion(box));
  const between = (p: Point, q: Point, at: number): Point => ({
    x: p.x + (q.x - p.x) * at,
    y: p.y + (q.y - p.y) * at,
  });
  return boundsOf([between(a, b, from), between(a, b, to), between(d, c, to), between(d, c, from)]);
}

export interface Word {
  text: string;
  bounds: Bounds;
  characters: CharacterPlace[];
}

/** The words of a line with their places. */
export function wordsOf(line: ReadLine): Word[] {
  let next = 0;
  return line.text
    .split(' ')
    .filter((text) => text !== '')
    .map((text) => {
      const start = next;
      for (let taken = 0; taken < text.length && next < line.characters.length; next++)
        taken += line.characters[next]!.text.length;
      const characters = line.characters.slice(start, next);
      return { text, bounds: partOf(line, characters[0]!.from, characters.at(-1)!.to), characters };
    });
}
