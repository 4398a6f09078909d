// One cut of a picture and what the recogniser said of it → pieces of text with places, in pixels of the cut.
import type { RecognisedSteps } from '../engine/text-networks.js';
import { decodeSteps } from './characters.js';
import { placeGlyphs, type Glyph } from './glyphs.js';
import type { Ink } from '../engine/text-lines.js';
import { measureLine, type LineMetrics } from './line-metrics.js';
import { withLostSigns } from './lost-signs.js';
import { tellApart } from './lookalikes.js';
import { countDots, withoutMark } from './marks.js';
import { toPieces } from './pieces.js';
import type { Bounds } from './quad.js';

export interface PlacedCharacter {
  /** One character, or '[?]' for one that could not be read. */
  text: string;
  left: number;
  right: number;
}

export interface LineText {
  text: string;
  /** Mean probability of its characters. */
  confidence: number;
  bounds: Bounds;
  /** One for each character that is no space. */
  characters: PlacedCharacter[];
}

/** Characters below this probability are not claimed; lines below it are no text. */
const UNREADABLE = 0.25;
const NO_TEXT = 0.4;
const UNREAD = '[?]';

/** Where type stands around its baseline, in ems: the content area of most fonts. */
const ASCENT = 0.95;
const DESCENT = 0.25;

export function readLineText(ink: Ink, steps: RecognisedSteps, characters: readonly string[]): LineText[] {
  const dots = countDots(ink);
  if (dots) return [dotted(dots, ink)];
  const placed = placeGlyphs(decodeSteps(steps, characters), ink);
  const metrics = measureLine(placed, ink.height);
  const glyphs = withLostSigns(withoutMark(placed, metrics), ink, metrics);
  return toPieces(glyphs, metrics).flatMap((piece) => {
    const sized = piece.glyphs.length > 2 ? measureLine(piece.glyphs, ink.height) : metrics;
    const text = toText(tellApart(withoutMark(piece.glyphs, sized), sized), sized);
    return text.confidence >= NO_TEXT ? [text] : [];
  });
}

function toText(glyphs: readonly Glyph[], { em, baseline }: LineMetrics): LineText {
  const characters = glyphs.map(({ text, probability, left, right }) => ({
    text: probability < UNREADABLE ? UNREAD : text,
    left,
    right,
  }));
  return {
    text: joined(glyphs, characters),
    confidence: glyphs.reduce((sum, { probability }) => sum + probability, 0) / glyphs.length,
    bounds: {
      left: glyphs[0]!.left,
      right: glyphs.at(-1)!.right,
      top: baseline - ASCENT * em,
      bottom: baseline + DESCENT * em,
    },
    characters,
  };
}

/** With spaces; several unreadable characters in a row are one mark. */
function joined(glyphs: readonly Glyph[], characters: readonly PlacedCharacter[]): string {
  let text = '';
  glyphs.forEach(({ spaced }, at) => {
    const next = characters[at]!.text;
    const again = next === UNREAD && !spaced && text.endsWith(UNREAD);
    if (!again) text += (spaced ? ' ' : '') + next;
  });
  return text;
}

function dotted({ count, left, right, diameter }: ReturnType<typeof countDots> & object, ink: Ink): LineText {
  const pitch = (right - left - diameter) / (count - 1);
  const middle = ink.height / 2;
  // Dots of passwords are about a third of an em.
  const half = Math.max(diameter * 1.7, ink.height * 0.4);
  return {
    text: '•'.repeat(count),
    confidence: 1,
    bounds: { left, right, top: middle - half, bottom: middle + half },
    characters: Array.from({ length: count }, (_, at) => ({
      text: '•',
      left: Math.round(left + at * pitch),
      right: Math.round(left + at * pitch + diameter),
    })),
  };
}
