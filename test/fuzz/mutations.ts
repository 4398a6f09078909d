// Changes to sound inputs, the same every time for one seed.

export type Random = () => number;

/** Numbers in [0, 1). */
export function random(seed: number): Random {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export function oneOf<T>(list: readonly T[], next: Random): T {
  return list[Math.floor(next() * list.length)]!;
}

const ODD: readonly unknown[] = [
  ...[null, true, '', 'x', 'a'.repeat(5000)],
  ...[-1, 0, 0.5, 1, 2, 3, 7, 1e3, 1e6, 1e9, 2 ** 31, 2 ** 53, 1e308],
  ...[[], [1], [1e9], [null], {}, { size: 1e9 }, [[]], [1, 2, 3, 4, 5]],
];

/** One value somewhere in it is another, or gone. */
export function mutatedJson(value: unknown, next: Random): unknown {
  if (typeof value !== 'object' || value === null || next() < 0.1) return oneOf(ODD, next);
  const copy = structuredClone(value) as Record<string, unknown>;
  const key = oneOf(Object.keys(copy), next);
  if (key === undefined) return ODD[0];
  if (next() < 0.1) delete copy[key];
  else copy[key] = mutatedJson(copy[key], next);
  return copy;
}

/** Signs that mean something to paths, addresses, templates and JSON. */
const SIGNS = [
  ...'\0\n "\'`<>@~%#?:\\/.,;{}[]()|&=*$^-+_é\u202f\u{1f642}',
  '../',
  '%2e',
  '%00',
  '{%',
  '{{',
  'file:',
];

/** A few places of the text are other signs, gone, twice there, or a part of another seed. */
export function mutatedText(text: string, others: readonly string[], next: Random): string {
  let result = text;
  for (let changes = 1 + Math.floor(next() * 4); changes > 0; changes--) {
    const at = Math.floor(next() * (result.length + 1));
    const length = Math.floor(next() * 12);
    const other = oneOf(others, next);
    const from = Math.floor(next() * other.length);
    const put = oneOf(
      ['', oneOf(SIGNS, next), result.slice(at, at + length).repeat(2), other.slice(from, from + length * 3)],
      next,
    );
    result = result.slice(0, at) + put + result.slice(at + oneOf([0, 1, length], next));
  }
  return result;
}
