// A rectangle in the many ways in which it is written → {x, y, width, height}, as far as they mean one.
import { isRecord, isScalar, parseJson } from './json-text.js';

/** Numbers and a few names, as text: patterns are tried at each of its characters. */
const LONGEST = 1000;

const SIDES = ['x', 'y', 'width', 'height'] as const;
const WHOLE = /^(full|all|whole|entire|complete|none|nil|auto|default)( image| picture)?$/i;

/** Other names of a side, without case, blanks, hyphens and underscores; two corners first become sides. */
const NAMES: Record<string, string> = {
  ...Object.fromEntries(SIDES.map((side) => [side, side])),
  ...{ w: 'width', h: 'height' },
  ...{ left: 'x', x1: 'x', x0: 'x', xmin: 'x', minx: 'x', startx: 'x' },
  ...{ top: 'y', y1: 'y', y0: 'y', ymin: 'y', miny: 'y', starty: 'y' },
  ...{ right: 'right', x2: 'right', xmax: 'right', maxx: 'right', endx: 'right' },
  ...{ bottom: 'bottom', y2: 'bottom', ymax: 'bottom', maxy: 'bottom', endy: 'bottom' },
};

/**
 * Undefined for the whole picture; a value that is no rectangle is returned as it is, for the schema to refuse.
 * @param foreign Takes the names that no rectangle has.
 */
export function rectangle(value: unknown, foreign: (name: string) => void = () => {}): unknown {
  if (value === false || (Array.isArray(value) && value.length === 0)) return undefined;
  if (typeof value === 'string' && WHOLE.test(value.trim())) return undefined;
  const sides = typeof value === 'string' ? fromText(value) : value;
  const named = Array.isArray(sides) ? fromList(sides) : sides;
  return isRecord(named) ? fromNames(named, foreign) : value;
}

/** [x, y, width, height], [[left, top], [right, bottom]], or what is in a list of one. */
function fromList(list: unknown[]): unknown {
  const [first, second] = list;
  if (list.length === 1) return Array.isArray(first) ? fromList(first as unknown[]) : first;
  if (list.length === 2 && isPoint(first) && isPoint(second))
    return { left: first[0], top: first[1], right: second[0], bottom: second[1] };
  if (list.length !== SIDES.length || !list.every(isScalar)) return undefined;
  return Object.fromEntries(SIDES.map((side, index) => [side, list[index]]));
}

function isPoint(value: unknown): value is [unknown, unknown] {
  return Array.isArray(value) && value.length === 2 && value.every(isScalar);
}

function fromNames(given: Record<string, unknown>, foreign: (name: string) => void): unknown {
  const sides: Record<string, unknown> = {};
  const flat = flattened(given);
  let others = 0;
  for (const [name, part] of Object.entries(flat)) {
    const side = NAMES[plainName(name)];
    if (side === undefined || (side !== name && side in flat)) {
      foreign(name);
      others++;
    } else if (part !== null && part !== '') sides[side] = pixels(part);
  }
  const { right, bottom, ...rest } = sides;
  const whole = inWholePixels(withExtent(rest, right, bottom));
  // Forms that must be filled in are filled with zeros; a rectangle without any extent names no part.
  const values = Object.values(sides);
  return values.every((side) => side === 0) && (values.length > 0 || others === 0) ? undefined : whole;
}

/** {position: {x, y}, size: {width, height}} and {region: {…}} are their parts. */
function flattened(given: Record<string, unknown>): Record<string, unknown> {
  const parts = Object.entries(given).map(([name, part]) => {
    const inside = Array.isArray(part) ? fromList(part as unknown[]) : part;
    return isRecord(inside) ? inside : { [name]: part };
  });
  return Object.assign({}, ...parts) as Record<string, unknown>;
}

function withExtent(
  sides: Record<string, unknown>,
  right: unknown,
  bottom: unknown,
): Record<string, unknown> {
  const { x, y, width, height } = sides;
  const extent = (from: unknown, to: unknown) =>
    typeof from === 'number' && typeof to === 'number' ? to - from : undefined;
  return {
    ...sides,
    ...(width === undefined && extent(x, right) !== undefined && { width: extent(x, right) }),
    ...(height === undefined && extent(y, bottom) !== undefined && { height: extent(y, bottom) }),
  };
}

/** Fractions of pixels are rounded; fractions of the picture are not pixels and stay for the schema to refuse. */
function inWholePixels(sides: Record<string, unknown>): Record<string, unknown> {
  const { x, y, width, height } = sides;
  const numbers = [x, y, width, height];
  if (!numbers.every((side) => typeof side === 'number' && Number.isFinite(side))) return sides;
  const [left, top, across, down] = numbers as [number, number, number, number];
  if (Math.max(left + across, top + down) <= 1 || numbers.every(Number.isInteger)) return sides;
  const [firstX, firstY] = [Math.floor(left), Math.floor(top)];
  return {
    x: firstX,
    y: firstY,
    width: Math.round(left + across) - firstX,
    height: Math.round(top + down) - firstY,
  };
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/[\s_"'-]/g, '');
}

/** "12", "12px" → 12. */
function pixels(value: unknown): unknown {
  const number =
    typeof value === 'string' ? /^\s*(-?[\d.]+(?:e\d+)?)\s*(?:px)?\s*$/i.exec(value)?.[1] : undefined;
  return number !== undefined && Number.isFinite(Number(number)) ? Number(number) : value;
}

/** JSON, "x,y,width,height", "x=0, y=0, width=9, height=9" or "9x9+0+0". */
function fromText(value: string): unknown {
  if (value.length > LONGEST) return value;
  const parsed = parseJson(value);
  if (parsed !== undefined) return parsed;
  const geometry = /^\s*(\d+)\s*[x×]\s*(\d+)\s*\+\s*(\d+)\s*\+\s*(\d+)\s*$/i.exec(value);
  if (geometry) return [geometry[3], geometry[4], geometry[1], geometry[2]];
  const pairs = [...value.matchAll(/([a-z_]+\d?)\s*[:=]\s*(-?[\d.]+)/gi)];
  if (pairs.length > 0) return Object.fromEntries(pairs.map(([, key, number]) => [key!, number]));
  const numbers = value
    .replace(/[[\](){}]|px\b/gi, ' ')
    .trim()
    .split(/[\s,;]+/);
  return numbers.every((number) => typeof pixels(number) === 'number') ? numbers : value;
}
