// What the element classifier sees of each line: four views of its surroundings and some numbers, and whether the whole
// picture is dark. The same as training/elements/views.py, on which it was trained. A job for a worker thread.
import type { RgbImage } from '../image/rgb-image.js';
import type { Region } from '../image/region.js';

export interface LineSeen {
  text: string;
  box: Region;
}

export interface ElementViews {
  /** Four RGB views of 96 × 48 for each line, one after the other. */
  views: Uint8Array;
  /** FEATURES numbers for each line. */
  features: Float32Array;
  /** Whether most of the picture is dark. */
  dark: boolean;
}

const ROWS = 48;
const COLUMNS = 96;
const VIEW_BYTES = ROWS * COLUMNS * 3;
/** Pixels of a view that the line's height becomes; the column at which an end of the line lies; which end. */
const VIEWS = [
  { scale: 16, column: 40, end: 'left' },
  { scale: 16, column: 56, end: 'right' },
  { scale: 4, column: 40, end: 'left' },
  { scale: 4, column: 8, end: 'right' },
] as const;
/** A view's pixel is the mean of so many samples a side. */
const SAMPLES = 3;
/** What lies beyond the picture. */
const OUTSIDE = 128;
const FEATURES = 15;
/** Words of a line that reports a failure, which in a log or a terminal may look like any other. */
const FAILURE =
  /\b(errors?|exception|fail(ed|s|ure)?|fatal|denied|invalid|wrong|cannot|unable|missing|not found|refused|rejected)\b/i;
/** A picture whose median of green is lower is dark. */
const DARK = 112;

export function elementViews({ picture, lines }: { picture: RgbImage; lines: LineSeen[] }): ElementViews {
  const views = new Uint8Array(lines.length * VIEWS.length * VIEW_BYTES);
  const features = new Float32Array(lines.length * FEATURES);
  const median = medianOf(lines.map(({ box }) => Math.max(1, box.height)));
  for (const [i, line] of lines.entries()) {
    for (const [v, view] of VIEWS.entries())
      drawView(picture, line.box, view, views.subarray((i * VIEWS.length + v) * VIEW_BYTES));
    features.set(numbersOf(line, picture, median), i * FEATURES);
  }
  return { views, features, dark: isDark(picture) };
}

function drawView(
  { width, height, data }: RgbImage,
  box: Region,
  { scale, column, end }: (typeof VIEWS)[number],
  view: Uint8Array,
): void {
  const step = Math.max(1, box.height) / scale;
  const left = (end === 'left' ? box.x : box.x + box.width) - column * step;
  const top = box.y + box.height / 2 - (ROWS / 2) * step;
  const at = (start: number, i: number): number => Math.floor(start + ((i + 0.5) * step) / SAMPLES);
  const within = (position: number, side: number): number =>
    position >= 0 && position < side ? position : NOWHERE;
  const columns = new Int32Array(COLUMNS * SAMPLES);
  for (let i = 0; i < columns.length; i++) {
    const x = within(at(left, i), width);
    columns[i] = x === NOWHERE ? NOWHERE : x * 3;
  }
  const sums = new Uint16Array(COLUMNS * 3);
  const taken = SAMPLES * SAMPLES;
  for (let row = 0; row < ROWS; row++) {
    sums.fill(0);
    for (let s = 0; s < SAMPLES; s++) {
      const y = within(at(top, row * SAMPLES + s), height);
      if (y === NOWHERE) addOutside(sums);
      else addSamples(sums, data, y * width * 3, columns);
    }
    for (let i = 0; i < sums.length; i++)
      view[row * COLUMNS * 3 + i] = Math.floor((sums[i]! + (taken >> 1)) / taken);
  }
}

const NOWHERE = -1;

/** sums[COLUMNS, 3] += the samples of a row of the picture that begins at `start`. */
function addSamples(sums: Uint16Array, data: Uint8Array, start: number, columns: Int32Array): void {
  for (let to = 0, i = 0; to < sums.length; to += 3) {
    let red = 0;
    let green = 0;
    let blue = 0;
    for (const end = i + SAMPLES; i < end; i++) {
      const column = columns[i]!;
      const from = start + column;
      red += column < 0 ? OUTSIDE : data[from]!;
      green += column < 0 ? OUTSIDE : data[from + 1]!;
      blue += column < 0 ? OUTSIDE : data[from + 2]!;
    }
    sums[to]! += red;
    sums[to + 1]! += green;
    sums[to + 2]! += blue;
  }
}

function addOutside(sums: Uint16Array): void {
  for (let i = 0; i < sums.length; i++) sums[i]! += SAMPLES * OUTSIDE;
}

function numbersOf({ text, box }: LineSeen, { width, height }: RgbImage, median: number): number[] {
  const high = Math.max(1, box.height);
  const characters = [...text];
  const letters = Math.max(1, characters.length);
  const share = (wanted: RegExp): number => characters.filter((char) => wanted.test(char)).length / letters;
  const right = box.x + box.width;
  return [
    box.x / width,
    (box.y + box.height / 2) / height,
    right / width,
    Math.min(2, box.width / high / 20),
    Math.min(2, high / median - 1),
    Math.min(2, width / high / 50),
    share(/\p{Nd}/u),
    share(/[•*·.]/),
    share(/[A-Z]/),
    characters.filter((char) => char === ' ').length / 10,
    Number(text.endsWith(':')),
    Number(text.endsWith('.')),
    Number(text.includes(':')),
    Math.min(2, letters / 30),
    Number(FAILURE.test(text)),
  ];
}

function medianOf(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function isDark({ width, height, data }: RgbImage): boolean {
  let dark = 0;
  for (let i = 1; i < data.length; i += 3) if (data[i]! < DARK) dark++;
  return 2 * dark > width * height;
}
