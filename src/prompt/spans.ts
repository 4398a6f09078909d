// Placeholders → image tokens: the expanded text, and where each image lies among the ids.
import { AfterimageError } from '../errors.js';
import type { GuardedText } from './guard.js';
import type { Anchor, EncodedPrompt } from './tokenizer.js';

export interface ImageSpan {
  /** Token range [start, end) of the image's whole block, markers included. */
  start: number;
  end: number;
  /** Index of the image in the prompt's order. */
  image: number;
}

/** Half-open range of offsets into a text. */
interface Range {
  start: number;
  end: number;
}

export interface ExpandedText extends GuardedText {
  /** Where each image's block lies in the text. */
  blocks: Range[];
  /** Offset in the expanded text of an offset in the text before expansion. */
  moved(offset: number): number;
}

/**
 * Replaces the i-th placeholder that the template wrote by the blocks of `wanted[i]`: one of an image, or one for each moment
 * of a timeline.
 * @throws AfterimageError INVALID_CHECKPOINT when there are more or fewer of them.
 */
export function expandPlaceholders(
  guarded: GuardedText,
  placeholder: string,
  wanted: readonly string[][],
): ExpandedText {
  const places = findUncut(guarded, placeholder);
  if (places.length !== wanted.length) {
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      `The chat template wrote ${places.length} image placeholders "${placeholder}" for ${wanted.length} images; ` +
        'use the template that came with this checkpoint.',
    );
  }
  const ranges: Range[] = [];
  let text = '';
  let from = 0;
  places.forEach((place, i) => {
    text += guarded.text.slice(from, place);
    for (const block of wanted[i]!) {
      ranges.push({ start: text.length, end: text.length + block.length });
      text += block;
    }
    from = place + placeholder.length;
  });
  const moved = (offset: number) => offset + growth(offset, places, placeholder.length, wanted);
  return {
    text: text + guarded.text.slice(from),
    cuts: guarded.cuts.map(moved),
    seams: guarded.seams.map(moved),
    blocks: ranges,
    moved,
  };
}

/** Offsets of `wanted` where no cut lies inside it. */
function findUncut({ text, cuts }: GuardedText, wanted: string): number[] {
  const found: number[] = [];
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at)) {
    const end = at + wanted.length;
    const cut = cuts.some((offset) => offset > at && offset < end);
    if (!cut) found.push(at);
    at = cut ? at + 1 : end;
  }
  return found;
}

function growth(
  offset: number,
  places: readonly number[],
  length: number,
  wanted: readonly string[][],
): number {
  let sum = 0;
  for (let i = 0; i < places.length && places[i]! + length <= offset; i++)
    sum += wanted[i]!.join('').length - length;
  return sum;
}

/**
 * The token range of each block and each token's row in its image's features (-1 for text).
 * @param tokenIds Of image tokens, and of those of timelines. @param rows Feature rows of each image. @throws AfterimageError INVALID_CHECKPOINT when a count differs.
 */
export function locateImages(
  encoded: EncodedPrompt,
  blocks: readonly Range[],
  tokenIds: readonly number[],
  rows: readonly number[],
): { spans: ImageSpan[]; featureIndex: Int32Array } {
  const featureIndex = new Int32Array(encoded.ids.length).fill(-1);
  const spans = blocks.map((block, image) => {
    const inside = encoded.anchors.filter(({ start, end }) => start >= block.start && end <= block.end);
    const found = inside.filter(({ id }) => tokenIds.includes(id));
    if (found.length !== rows[image]) throw countError(found.length, rows[image]!);
    found.forEach(({ token }, row) => (featureIndex[token] = row));
    return { start: inside[0]!.token, end: inside.at(-1)!.token + 1, image };
  });
  const placed = rows.reduce((sum, count) => sum + count, 0);
  const present = encoded.ids.filter((id) => tokenIds.includes(id)).length;
  if (present !== placed) throw countError(present, placed);
  return { spans, featureIndex };
}

function countError(found: number, wanted: number): AfterimageError {
  return new AfterimageError(
    'INVALID_CHECKPOINT',
    `The prompt has ${found} image tokens where the image has ${wanted} rows of features; ` +
      'the tokenizer and the processor settings do not belong to one checkpoint.',
  );
}

/** Index of the token at which the text from `offset` on begins, or of the last control token's edge before it. */
export function tokenAt(offset: number, anchors: readonly Anchor[]): number {
  let token = 0;
  for (const anchor of anchors) {
    if (anchor.start > offset) break;
    token = anchor.end <= offset ? anchor.token + 1 : anchor.token;
  }
  return token;
}
