// Where a model says that something is → places in pixels of the original. Every family writes coordinates in its own
// form; only those forms count, and what stands in labels does not: a label may repeat text of the picture.
import { toOriginal, unitOf, wholeImage, type BoxScale, type Region, type Size } from '../image/region.js';

/** Whole pixels of the original. */
export interface ModelPlace {
  center: { x: number; y: number };
  /** Absent where the model only pointed. */
  box?: Region;
}

export interface Saw {
  scale: BoxScale;
  /** Size in which the model saw the image. */
  viewed: Size;
  original: Size;
  /** The part of the original that the model saw, when it was a crop. */
  shown?: Region;
}

/** More than this many of one thing are a model that repeats itself. */
const MOST_PLACES = 32;
const LONGEST_ANSWER = 16_384;

/** Names of things, in JSON and between the marks of the families, also where the answer was cut in one. */
const LABELS = [
  /["']?(?:label|text_content|text|content|name|description|type|ref)["']?\s*:\s*(?:"(?:[^"\\]|\\[^])*(?:"|$)|'(?:[^'\\]|\\[^])*(?:'|$))/g,
  /<ref>[^]*?(?:<\/ref>|$)/g,
  /<\|ref\|>[^]*?(?:<\|\/ref\|>|$)/g,
  /<\|object_ref_start\|>[^]*?(?:<\|object_ref_end\|>|$)/g,
];

const N = String.raw`\s*(-?\d{1,6}(?:\.\d{1,12})?)\s*`;
const LIST = String.raw`[\[(]${N},${N},${N},${N}[\])]`;
const PAIR = String.raw`[\[(]${N},${N}[\])]`;
/** Four numbers are a box, two a point. */
const FORMS: readonly { pattern: string; order?: 'rows first'; scale?: BoxScale }[] = [
  // PaliGemma: top, left, bottom, right.
  { pattern: '<loc(\\d{4})>'.repeat(4), order: 'rows first', scale: 'relative-1024' },
  // LocateAnything: a token for each coordinate.
  {
    pattern: '<box>\\s*<(\\d{1,4})>\\s*<(\\d{1,4})>\\s*<(\\d{1,4})>\\s*<(\\d{1,4})>\\s*</box>',
    scale: 'relative-1000',
  },
  { pattern: '<(?:box|point)>\\s*<(\\d{1,4})>\\s*<(\\d{1,4})>\\s*</(?:box|point)>', scale: 'relative-1000' },
  // Qwen2-VL; its marks may have been left out of the text.
  { pattern: String.raw`(?:<\|box_start\|>\s*)?${PAIR},?${PAIR}` },
  // Marks around a list: InternVL, DeepSeek-OCR, GLM, Qwen2.5-VL and those trained from it.
  { pattern: String.raw`(?:<box>|<\|det\|>|<\|box_start\|>|<\|begin_of_box\|>)\s*\[?\s*${LIST}` },
  { pattern: String.raw`(?:<\|box_start\|>|<\|point_start\|>|<point>)\s*\[?\s*${PAIR}` },
  { pattern: String.raw`<point>\s*(\d{1,4}(?:\.\d+)?)[ ,]+(\d{1,4}(?:\.\d+)?)\s*</point>` },
  // JSON of Qwen2.5-VL, Qwen3-VL and Kimi.
  { pattern: String.raw`["']?(?:bbox_2d|bbox|box_2d|box|bounding_box)["']?\s*[:=]\s*\[?\s*${LIST}` },
  { pattern: String.raw`["']?(?:point_2d|point|coordinates?|center)["']?\s*[:=]\s*\[?\s*${PAIR}` },
  // Actions: click(start_box='(x,y)'), click(x=0.2, y=0.7).
  { pattern: String.raw`(?:start_box|start_point)\s*=\s*["']?(?:<\|box_start\|>)?\s*(?:${LIST}|${PAIR})` },
  { pattern: String.raw`click\w{0,16}\(\s*x\s*=${N},\s*y\s*=${N}\)` },
];
const ANY = new RegExp(FORMS.map(({ pattern }) => `(?:${pattern})`).join('|'), 'gi');
const SINGLE = FORMS.map((form) => ({ ...form, whole: new RegExp(`^(?:${form.pattern})$`, 'i') }));
/** An answer that is nothing but coordinates. */
const BARE = new RegExp(String.raw`^(?:\[\s*)?${LIST}(?:\s*,\s*${LIST})*(?:\s*\])?\.?$`);

/** Places in the order in which they were named, each once. What lies outside the picture is cut off or left out. */
export function parsePlaces(answer: string, saw: Saw): ModelPlace[] {
  const text = LABELS.reduce(
    (rest, label) => rest.replace(label, ' '),
    unfenced(answer.slice(0, LONGEST_ANSWER)),
  );
  const found = [...bare(text), ...named(text)].flatMap((said) => placeOf(said, saw) ?? []);
  const distinct = new Map(found.map((place) => [JSON.stringify(place), place]));
  return [...distinct.values()].slice(0, MOST_PLACES);
}

interface Said {
  numbers: number[];
  scale?: BoxScale;
}

function bare(text: string): Said[] {
  if (!BARE.test(text)) return [];
  return [...text.matchAll(new RegExp(LIST, 'g'))].map(([, ...parts]) => ({ numbers: parts.map(Number) }));
}

function named(text: string): Said[] {
  return [...text.matchAll(ANY)].flatMap(([said]) => {
    const form = SINGLE.find(({ whole }) => whole.test(said));
    const parts = form?.whole
      .exec(said)
      ?.slice(1)
      .filter((part) => part !== undefined);
    if (!form || !parts) return [];
    const numbers = parts.map(Number);
    return [{ numbers: form.order ? columnsFirst(numbers) : numbers, scale: form.scale }];
  });
}

function columnsFirst([top, left, bottom, right]: number[]): number[] {
  return [left!, top!, right!, bottom!];
}

/** Undefined for coordinates that lie wholly outside, or that cannot be meant in this scale. */
function placeOf({ numbers, scale }: Said, saw: Saw): ModelPlace | undefined {
  const [a, b, c, d] = numbers as [number, number, number?, number?];
  const used = scale ?? saw.scale;
  const unit = unitOf(used, saw.viewed);
  const meant = (at: number, side: number) => at >= -side && at <= 2 * side;
  if (!numbers.every((at, i) => meant(at, i % 2 === 0 ? unit.width : unit.height))) return undefined;
  const shown = saw.shown ?? wholeImage(saw.original);
  if (c !== undefined && d !== undefined) {
    // A box without any extent is one of nothing.
    const box = a === c || b === d ? undefined : toOriginal([a, b, c, d], used, saw.viewed, shown);
    return box && { center: centerOf(box), box };
  }
  if (a < 0 || b < 0 || a > unit.width || b > unit.height) return undefined;
  const at = (share: number, from: number, length: number) =>
    from + Math.min(length - 1, Math.floor(share * length + 1e-6));
  return {
    center: { x: at(a / unit.width, shown.x, shown.width), y: at(b / unit.height, shown.y, shown.height) },
  };
}

/** The pixel to click. */
export function centerOf({ x, y, width, height }: Region): { x: number; y: number } {
  return { x: Math.floor(x + width / 2), y: Math.floor(y + height / 2) };
}

function unfenced(text: string): string {
  return text.replace(/```\w*/g, ' ').trim();
}
