// What several plain schemas ask for together, by type.
import type { StringLimits } from './strings.js';
import { patternOfFormat } from './strings.js';
import { patternDfa } from './pattern.js';
import { unsupported } from './refusals.js';
import type { Limit, NumberLimits } from './numbers.js';
import { TYPES, type Plain, type Schema, type Type, type Way } from './schema.js';

export interface ObjectLimits {
  /** In the order in which they are written. */
  properties: { name: string; schemas: readonly Schema[]; required: boolean }[];
  /** What others hold; undefined: there are no others. */
  others: readonly Schema[] | undefined;
  least: number;
  most: number;
}

export interface ArrayLimits {
  prefix: (readonly Schema[])[];
  /** Of every item behind the prefix. */
  items: readonly Schema[];
  least: number;
  most: number;
}

/** "integer" stands beside no "number". */
export function typesOf(way: Way): Set<Type> {
  let types = new Set<Type>(TYPES.filter((type) => type !== 'integer'));
  for (const { type } of way) {
    if (type === undefined) continue;
    const named = new Set([type].flat() as Type[]);
    const narrowed = [...types].flatMap((one): Type[] => {
      if (named.has(one) || (one === 'integer' && named.has('number'))) return [one];
      return one === 'number' && named.has('integer') ? ['integer'] : [];
    });
    types = new Set(narrowed);
  }
  return types;
}

/** Values that are listed by all that list any; undefined where none does. */
export function valuesOf(way: Way): unknown[] | undefined {
  const lists = way.flatMap((plain) => [
    ...(plain['enum'] !== undefined ? [plain['enum'] as unknown[]] : []),
    ...(Object.hasOwn(plain, 'const') ? [[plain['const']]] : []),
  ]);
  if (lists.length === 0) return undefined;
  return lists.reduce((values, list) => {
    const known = new Set(list.map(canonical));
    return values.filter((value) => known.has(canonical(value)));
  });
}

/** Equal for equal values, whatever the order of their names. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical((value as Plain)[name])}`).join()}}`;
}

export function numberLimits(way: Way): NumberLimits {
  const multiples = given(way, 'multipleOf');
  const fraction = multiples.find((multiple) => !Number.isInteger(multiple));
  if (fraction !== undefined) throw unsupported(`multipleOf ${fraction}`);
  return {
    integer: typesOf(way).has('integer') || multiples.length > 0,
    low: tightest(way, 'minimum', 'exclusiveMinimum', (a, b) => a > b),
    high: tightest(way, 'maximum', 'exclusiveMaximum', (a, b) => a < b),
    multiple: multiples.reduce(leastCommonMultiple, 1),
  };
}

export function stringLimits(way: Way): StringLimits {
  const patterns = way.flatMap(({ pattern, format }) => [
    ...(pattern !== undefined ? [pattern as string] : []),
    ...(format !== undefined ? [patternOfFormat(format)] : []),
  ]);
  return {
    least: Math.max(0, ...given(way, 'minLength')),
    most: Math.min(Infinity, ...given(way, 'maxLength')),
    sets: patterns.map(patternDfa),
  };
}

/**
 * An object that lists its properties has no others unless it says so: what is left open would never end, and what is
 * written still holds.
 */
export function objectLimits(way: Way): ObjectLimits {
  const required = new Set(way.flatMap((plain) => (plain['required'] ?? []) as string[]));
  const names = new Set([...way.flatMap((plain) => Object.keys(propertiesOf(plain))), ...required]);
  const others = way.flatMap((plain): Schema[] =>
    plain['additionalProperties'] === undefined ? [] : [plain['additionalProperties'] as Schema],
  );
  const open = others.length > 0 || !way.some((plain) => plain['properties'] !== undefined);
  return {
    properties: [...names].map((name) => ({
      name,
      schemas: way.flatMap((plain): Schema[] => {
        const own = propertiesOf(plain);
        if (Object.hasOwn(own, name)) return [own[name]!];
        return plain['additionalProperties'] === undefined ? [] : [plain['additionalProperties'] as Schema];
      }),
      required: required.has(name),
    })),
    others: open && !others.includes(false) ? others : undefined,
    least: Math.max(0, ...given(way, 'minProperties')),
    most: Math.min(Infinity, ...given(way, 'maxProperties')),
  };
}

export function arrayLimits(way: Way): ArrayLimits {
  const prefixes = way.map(prefixOf);
  const length = Math.max(0, ...prefixes.map(({ length }) => length));
  const at = (i: number): Schema[] =>
    way.flatMap((plain, one): Schema[] => {
      const schema = prefixes[one]![i] ?? (restOf(plain) as Schema | undefined);
      return schema === undefined ? [] : [schema];
    });
  return {
    prefix: Array.from({ length }, (_, i) => at(i)),
    items: at(length),
    least: Math.max(0, ...given(way, 'minItems')),
    most: Math.min(Infinity, ...given(way, 'maxItems')),
  };
}

function propertiesOf(plain: Plain): Record<string, Schema> {
  return (plain['properties'] ?? {}) as Record<string, Schema>;
}

/** Up to draft 2019-09 `items` was what is now `prefixItems`. */
function prefixOf({ items, prefixItems }: Plain): readonly Schema[] {
  return (Array.isArray(items) ? items : (prefixItems ?? [])) as readonly Schema[];
}

function restOf({ items, additionalItems }: Plain): unknown {
  return Array.isArray(items) ? additionalItems : items;
}

function given(way: Way, keyword: string): number[] {
  return way.flatMap((plain) => (plain[keyword] === undefined ? [] : [plain[keyword] as number]));
}

function tightest(
  way: Way,
  inclusive: string,
  exclusive: string,
  tighter: (a: number, b: number) => boolean,
): Limit | undefined {
  const limits = [
    ...given(way, inclusive).map((value) => ({ value, exclusive: false })),
    ...given(way, exclusive).map((value) => ({ value, exclusive: true })),
  ];
  return limits.reduce<Limit | undefined>(
    (best, limit) =>
      !best || tighter(limit.value, best.value) || (limit.value === best.value && limit.exclusive)
        ? limit
        : best,
    undefined,
  );
}

function leastCommonMultiple(a: number, b: number): number {
  const divisor = (x: number, y: number): number => (y === 0 ? x : divisor(y, x % y));
  return (a / divisor(a, b)) * b;
}
