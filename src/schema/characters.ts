// Sets of characters (Unicode scalar values), and how JSON writes them in UTF-8.

/** Lowest and highest of a run. */
export type Run = readonly [low: number, high: number];
/** Ascending, neither overlapping nor touching. */
export type Characters = readonly Run[];

export const LAST = 0x10ffff;
const SURROGATES: Run = [0xd800, 0xdfff];
export const ANY: Characters = [
  [0, SURROGATES[0] - 1],
  [SURROGATES[1] + 1, LAST],
];

export function union(...sets: readonly Characters[]): Characters {
  const merged: [number, number][] = [];
  for (const [low, high] of sets.flat().sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else merged.push([low, high]);
  }
  return merged;
}

export function intersection(a: Characters, b: Characters): Characters {
  const shared: Run[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [low, high] = [Math.max(a[i]![0], b[j]![0]), Math.min(a[i]![1], b[j]![1])];
    if (low <= high) shared.push([low, high]);
    if (a[i]![1] < b[j]![1]) i++;
    else j++;
  }
  return shared;
}

/** All characters but these. */
export function others(set: Characters): Characters {
  const gaps: Run[] = [];
  let from = 0;
  for (const [low, high] of set) {
    if (low > from) gaps.push([from, low - 1]);
    from = high + 1;
  }
  if (from <= LAST) gaps.push([from, LAST]);
  return intersection(gaps, ANY);
}

/** A sequence of bytes, each within a run. */
type Bytes = Run[];

/** Every character of a run in its one spelling in a JSON string, that of JSON.stringify. */
export function spellings([low, high]: Run): Bytes[] {
  const escaped: Bytes[] = [];
  let plain: Characters = [[low, high]];
  for (let at = low; at <= Math.min(high, 0x5c); at++) {
    const text = JSON.stringify(String.fromCodePoint(at)).slice(1, -1);
    if (text.length === 1) continue;
    escaped.push([...text].map((character): Run => [character.charCodeAt(0), character.charCodeAt(0)]));
    plain = intersection(plain, others([[at, at]]));
  }
  return [...escaped, ...intersection(plain, ANY).flatMap(([from, to]) => inUtf8(from, to))];
}

/** Cox 2010, "Regular expression matching in the wild": runs are cut where the bytes behind are not free. */
function inUtf8(low: number, high: number): Bytes[] {
  for (const last of [0x7f, 0x7ff, 0xffff])
    if (low <= last && high > last) return [...inUtf8(low, last), ...inUtf8(last + 1, high)];
  if (high <= 0x7f) return [[[low, high]]];
  for (let bits = 6; bits <= 18; bits += 6) {
    const free = 2 ** bits - 1;
    if ((low & ~free) === (high & ~free)) continue;
    if ((low & free) !== 0) return [...inUtf8(low, low | free), ...inUtf8((low | free) + 1, high)];
    if ((high & free) !== free) return [...inUtf8(low, (high & ~free) - 1), ...inUtf8(high & ~free, high)];
  }
  const [first, last] = [low, high].map((character) => Buffer.from(String.fromCodePoint(character)));
  return [[...first!].map((byte, i): Run => [byte, last![i]!])];
}
