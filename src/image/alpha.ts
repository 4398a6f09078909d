// Transparent pictures are laid on a background on which what they show can be seen: white, as everyone expects, unless
// that would hide their edges. What lies behind is part of the pixels, and so of an image's identity.
import type { RgbImage } from './rgb-image.js';

/** 8 bit a channel, row-major, not premultiplied. */
export interface RgbaImage {
  width: number;
  height: number;
  data: Uint8Array;
}

export type Colour = readonly [number, number, number];

const WHITE: Colour = [255, 255, 255];
const BLACK: Colour = [0, 0, 0];
const GREY: Colour = [128, 128, 128];

/** Levels of lightness between an edge and its background from which it can be seen. */
const CONTRAST = 48;
/** Share of the edges that a background may hide; of those that the file's own colour may. */
const HIDDEN = 0.25;
const HIDDEN_BY_OWN = 0.6;
/** Below this a pixel shows nothing; above the other it shows no background. */
const FAINT = 16;
const SOLID = 240;

/**
 * @param own The colour that the file itself gives its transparent pixels, where it has only one (GIF).
 */
export function composed(image: RgbaImage, own?: Colour): RgbImage {
  const seen = visibility(image.data);
  // Nothing at all would be seen: the alpha channel was left empty, as some programs do, and means nothing.
  if (seen !== 'in part') return withoutAlpha(image);
  return laidOn(image, background(image, own));
}

export function withoutAlpha({ width, height, data }: RgbaImage): RgbImage {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = data[from]!;
    rgb[to + 1] = data[from + 1]!;
    rgb[to + 2] = data[from + 2]!;
  }
  return { width, height, data: rgb };
}

function visibility(data: Uint8Array): 'none' | 'in part' | 'whole' {
  let some = false;
  let all = true;
  for (let at = 3; at < data.length; at += 4) {
    some ||= data[at] !== 0;
    all &&= data[at] === 255;
    if (some && !all) return 'in part';
  }
  return some ? 'whole' : 'none';
}

/** The first that hides few enough edges: the file's own colour, white, black; grey where light and dark edges meet. */
function background(image: RgbaImage, own: Colour | undefined): Colour {
  const edges = edgeLightness(image);
  const hides = (colour: Colour) => hidden(edges, lightness(...colour));
  if (own && hides(own) <= HIDDEN_BY_OWN) return own;
  return [WHITE, BLACK].find((colour) => hides(colour) <= HIDDEN) ?? GREY;
}

/** Weight of the edge pixels of each lightness: those that let the background through or lie beside what does. */
function edgeLightness({ width, height, data }: RgbaImage): Float64Array {
  const weights = new Float64Array(256);
  const alpha = (x: number, y: number) =>
    x < 0 || y < 0 || x >= width || y >= height ? 255 : data[(y * width + x) * 4 + 3]!;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const own = data[at + 3]!;
      if (own < FAINT) continue;
      const least = Math.min(own, alpha(x - 1, y), alpha(x + 1, y), alpha(x, y - 1), alpha(x, y + 1));
      if (least >= SOLID) continue;
      weights[lightness(data[at]!, data[at + 1]!, data[at + 2]!)]! += own;
    }
  }
  return weights;
}

function hidden(edges: Float64Array, behind: number): number {
  let close = 0;
  let all = 0;
  edges.forEach((weight, level) => {
    all += weight;
    if (Math.abs(level - behind) < CONTRAST) close += weight;
  });
  return all === 0 ? 0 : close / all;
}

/** Luma of ITU-R BT.601, 0…255. */
function lightness(red: number, green: number, blue: number): number {
  return Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
}

/** colour·α/255 + background·(255 - α)/255, rounded once, as Pillow pastes with a mask. */
function laidOn(image: RgbaImage, colour: Colour): RgbImage {
  const { width, height, data } = image;
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    const alpha = data[from + 3]!;
    for (let c = 0; c < 3; c++) {
      const sum = data[from + c]! * alpha + colour[c]! * (255 - alpha) + 128;
      rgb[to + c] = ((sum >> 8) + sum) >> 8;
    }
  }
  return { width, height, data: rgb };
}
