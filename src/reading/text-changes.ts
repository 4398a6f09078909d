// What text changed from one picture to another: lines are compared as they were read, no model takes part. Text that
// stands elsewhere in the second picture was moved, not changed.
import type { Region } from '../image/region.js';
import type { Reading, ReadLine } from './reading.js';

export interface TextChange {
  /** Empty: the text is new, or gone. */
  old: string;
  new: string;
  before?: Region;
  after?: Region;
}

/** Lines of one text stand below each other by less than this share of their height. */
const LEADING = 0.9;
/** Lines that begin within so many of their heights of each other are flush. */
const FLUSH = 0.6;

/** @param scale Of the second picture over the first, where one shows the other at another size. */
export function textChanges(before: Reading, after: Reading, scale = 1): TextChange[] {
  const [gone, come] = unmatched(before.lines, after.lines, scale);
  const changes: TextChange[] = [];
  const left = new Set(come);
  for (const old of gone) {
    const place = scaled(old.box, scale);
    const now = [...left].filter(({ box }) => inSamePlace(place, box));
    const nearest = now.sort((a, b) => away(place, a.box) - away(place, b.box))[0];
    if (nearest) left.delete(nearest);
    changes.push(change(old, nearest));
  }
  changes.push(...[...left].map((line) => change(undefined, line)));
  return joined(changes).sort((a, b) => top(a) - top(b));
}

/** Lines without an equal in the other picture; equals are paired nearest first. */
function unmatched(before: ReadLine[], after: ReadLine[], scale: number): [ReadLine[], ReadLine[]] {
  const byText = new Map<string, ReadLine[]>();
  for (const line of after) byText.set(key(line), [...(byText.get(key(line)) ?? []), line]);
  const gone = before.filter((line) => {
    const equals = byText.get(key(line)) ?? [];
    const place = scaled(line.box, scale);
    const nearest = equals.sort((a, b) => away(place, a.box) - away(place, b.box)).shift();
    return nearest === undefined;
  });
  const come = [...byText.values()].flat();
  return [gone, after.filter((line) => come.includes(line))];
}

/** Text that was moved may be read with other spaces, since its pixels may fall otherwise. */
function key({ text }: ReadLine): string {
  return text.replace(/\s+/g, '');
}

function scaled({ x, y, width, height }: Region, by: number): Region {
  return { x: x * by, y: y * by, width: width * by, height: height * by };
}

/** In one row, and overlapping or beginning at the same column. */
function inSamePlace(a: Region, b: Region): boolean {
  const shared = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  const level = shared > 0.4 * Math.min(a.height, b.height);
  const overlapping = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x) > 0;
  return level && overlapping;
}

function away(a: Region, b: Region): number {
  return Math.abs(a.x - b.x) + Math.abs(a.y - b.y);
}

function change(old: ReadLine | undefined, now: ReadLine | undefined): TextChange {
  return {
    old: old?.text ?? '',
    new: now?.text ?? '',
    ...(old && { before: old.box }),
    ...(now && { after: now.box }),
  };
}

/** Lines below each other that changed together are one text that was broken. */
function joined(changes: TextChange[]): TextChange[] {
  const whole: TextChange[] = [];
  for (const next of [...changes].sort((a, b) => top(a) - top(b))) {
    const above = whole.find((known) => continues(known, next));
    if (!above) whole.push({ ...next });
    else {
      above.old = [above.old, next.old].filter(Boolean).join(' ');
      above.new = [above.new, next.new].filter(Boolean).join(' ');
      above.before = around(above.before, next.before);
      above.after = around(above.after, next.after);
    }
  }
  return whole;
}

/** A line that was taken away or added below one that changed, flush with it and close: the text's next line. */
function continues(above: TextChange, { old, new: now, before, after }: TextChange): boolean {
  if (above.old === '' || above.new === '') return false;
  if (old !== '' && now !== '') return false;
  const [upper, lower] = old !== '' ? [above.before, before] : [above.after, after];
  if (!upper || !lower) return false;
  const gap = lower.y - (upper.y + upper.height);
  return (
    Math.abs(lower.x - upper.x) < FLUSH * lower.height && gap < LEADING * lower.height && gap > -lower.height
  );
}

function around(a: Region | undefined, b: Region | undefined): Region | undefined {
  if (!a || !b) return a ?? b;
  const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)];
  return {
    x,
    y,
    width: Math.max(a.x + a.width, b.x + b.width) - x,
    height: Math.max(a.y + a.height, b.y + b.height) - y,
  };
}

function top({ before, after }: TextChange): number {
  return (after ?? before)!.y;
}
