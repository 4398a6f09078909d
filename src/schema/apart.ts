// Whether two schemas can hold for one value. What cannot be told counts as if they could.
import { both } from './dfa.js';
import {
  arrayLimits,
  canonical,
  numberLimits,
  objectLimits,
  stringLimits,
  typesOf,
  valuesOf,
} from './held.js';
import type { Plain, Schema, Type, Way } from './schema.js';

/** How deep properties are looked into. */
const DEEPEST = 4;

/** Undefined where it cannot be told yet. */
type WaysOf = (schemas: readonly Schema[]) => Way[] | undefined;

/** Whether nothing that is written by `a` holds by `b`. */
export function areApart(a: Way, b: Way, waysOf: WaysOf, depth = 0): boolean {
  const others = typesOf(b);
  const values = valuesOf(a);
  if (values) return values.every((value) => isApart(value, b));
  return [...typesOf(a)].every((type) => {
    const shared = others.has(type) || (type === 'integer' && others.has('number'));
    const narrowed = type === 'number' && others.has('integer');
    return (!shared && !narrowed) || OF_TYPE[type]?.(a, b, waysOf, depth) === true;
  });
}

function isApart(value: unknown, way: Way): boolean {
  const listed = valuesOf(way);
  if (listed) return !listed.some((one) => canonical(one) === canonical(value));
  const types = typesOf(way);
  const type = typeOf(value);
  return !types.has(type) && !(type === 'integer' && types.has('number'));
}

export function typeOf(value: unknown): Type {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value as 'boolean' | 'string' | 'object';
}

const OF_TYPE: Partial<Record<Type, (a: Way, b: Way, waysOf: WaysOf, depth: number) => boolean>> = {
  number: numbersApart,
  integer: numbersApart,
  string: stringsApart,
  array: (a, b) => {
    const [left, right] = [arrayLimits(a), arrayLimits(b)];
    return left.most < right.least || right.most < left.least;
  },
  object: objectsApart,
};

function numbersApart(a: Way, b: Way): boolean {
  const [left, right] = [numberLimits(a), numberLimits(b)];
  const over = (low: typeof left.low, high: typeof left.high): boolean =>
    low !== undefined &&
    high !== undefined &&
    (low.value > high.value || (low.value === high.value && (low.exclusive || high.exclusive)));
  return over(left.low, right.high) || over(right.low, left.high);
}

function stringsApart(a: Way, b: Way): boolean {
  const [left, right] = [stringLimits(a), stringLimits(b)];
  if (left.most < right.least || right.most < left.least) return true;
  if (left.sets.length === 0 || right.sets.length === 0) return false;
  const shared = [...left.sets, ...right.sets].reduce(both);
  return !shared.accepts[0] && shared.edges[0]!.length === 0;
}

function objectsApart(a: Way, b: Way, waysOf: WaysOf, depth: number): boolean {
  if (depth >= DEEPEST) return false;
  const [left, right] = [objectLimits(a), objectLimits(b)];
  const written = new Map(left.properties.map((property) => [property.name, property]));
  const lacking = right.properties.some(
    ({ name, required }) => required && !written.has(name) && !left.others,
  );
  return (
    lacking ||
    left.properties.some(({ name, required, schemas }) => {
      if (!required) return false;
      if (b.some((plain) => isClosedTo(plain, name))) return true;
      const other = right.properties.find((property) => property.name === name);
      if (!other) return false;
      const [own, theirs] = [waysOf(schemas), waysOf(other.schemas)];
      return own?.every((one) => theirs?.every((two) => areApart(one, two, waysOf, depth + 1))) === true;
    })
  );
}

function isClosedTo(plain: Plain, name: string): boolean {
  return plain['additionalProperties'] === false && !Object.hasOwn(plain['properties'] ?? {}, name);
}
