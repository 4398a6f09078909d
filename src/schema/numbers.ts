// Numbers within limits, as JSON writes them without an exponent. They have at most 15 digits, so that no two of them are
// the same f64 and a comparison of their digits is one of their values.
import type { TableBuilder } from './tables.js';
import { unsupported } from './refusals.js';

export interface NumberLimits {
  integer: boolean;
  low?: Limit;
  high?: Limit;
  /** Whole numbers of which the value is a multiple. */
  multiple: number;
}

export interface Limit {
  value: number;
  exclusive: boolean;
}

const MOST_DIGITS = 15;
const LARGEST_MULTIPLE = 1000;

/** Ascending. */
const CHARACTERS = '-.0123456789';

/** Digits of a value without its sign: no zeros at the outer ends. */
interface Digits {
  negative: boolean;
  whole: string;
  fraction: string;
}

type Order = -1 | 0 | 1;

/** How far a number has been written. */
interface Written {
  phase: 'start' | 'sign' | 'zero' | 'whole' | 'point' | 'fraction';
  negative: boolean;
  /** Digits before the point and behind it; a zero alone before it is none. */
  whole: number;
  fraction: number;
  /** Whether any digit is not zero. */
  some: boolean;
  /** Of the digits so far to the first digits of each limit. */
  low: Order;
  high: Order;
  rest: number;
}

/** @returns the state in which a number begins. @throws AfterimageError SCHEMA_UNSUPPORTED */
export function addNumber(builder: TableBuilder, limits: NumberLimits): number {
  if (limits.multiple > LARGEST_MULTIPLE) throw unsupported(`multipleOf ${limits.multiple}`);
  const bounds = {
    low: limits.low && digitsOf(limits.low.value),
    high: limits.high && digitsOf(limits.high.value),
  };
  const states = new Map<string, number>();
  const work: [Written, number][] = [];
  const stateOf = (wanted: Written): number => {
    const written = withoutPlaces(wanted, limits);
    const key = Object.values(written).join(' ');
    let state = states.get(key);
    if (state === undefined) {
      state = builder.state();
      states.set(key, state);
      work.push([written, state]);
      if (isAllowed(written, limits, bounds)) builder.final(state);
    }
    return state;
  };
  const begun: Written = {
    ...{ phase: 'start', negative: false, whole: 0, fraction: 0, some: false },
    ...{ low: 0, high: 0, rest: 0 },
  };
  const start = stateOf(begun);
  for (let next = work.pop(); next; next = work.pop()) {
    const [written, state] = next;
    // Neighbouring digits that lead to one state are one range.
    let range: [low: number, high: number, target: number] | undefined;
    for (const character of CHARACTERS) {
      const then = after(written, character, limits, bounds);
      const target = then && stateOf(then);
      const byte = character.charCodeAt(0);
      if (range && target === range[2] && byte === range[1] + 1) {
        range[1] = byte;
        continue;
      }
      if (range) builder.range(state, ...range);
      range = target === undefined ? undefined : [byte, byte, target];
    }
    if (range) builder.range(state, ...range);
  }
  return start;
}

/** Behind the point, and once each limit is above or below, only how many digits there are counts. */
function withoutPlaces(written: Written, { low, high }: NumberLimits): Written {
  const behind = written.phase === 'point' || written.phase === 'fraction';
  if (!behind || (low && written.low === 0) || (high && written.high === 0)) return written;
  return { ...written, whole: written.whole + written.fraction, fraction: 0 };
}

interface Bounds {
  low?: Digits | undefined;
  high?: Digits | undefined;
}

function after(
  written: Written,
  character: string,
  limits: NumberLimits,
  bounds: Bounds,
): Written | undefined {
  const { phase } = written;
  if (character === '-') return phase === 'start' ? { ...written, phase: 'sign', negative: true } : undefined;
  if (character === '.') {
    const allowed = !limits.integer && (phase === 'zero' || phase === 'whole');
    return allowed ? { ...pointed(written, bounds), phase: 'point' } : undefined;
  }
  const digit = Number(character);
  if (phase === 'zero' || written.whole + written.fraction >= MOST_DIGITS) return undefined;
  if (phase === 'point' || phase === 'fraction') {
    const order = (which: 'low' | 'high'): Order =>
      written[which] || compared(character, bounds[which]?.fraction, written.fraction);
    return {
      ...written,
      phase: 'fraction',
      fraction: written.fraction + 1,
      some: written.some || digit > 0,
      low: order('low'),
      high: order('high'),
    };
  }
  if (phase !== 'whole' && digit === 0) return { ...written, phase: 'zero' };
  const order = (which: 'low' | 'high'): Order =>
    written[which] || compared(character, bounds[which]?.whole, written.whole);
  return {
    ...written,
    phase: 'whole',
    whole: written.whole + 1,
    some: true,
    low: order('low'),
    high: order('high'),
    rest: (written.rest * 10 + digit) % limits.multiple,
  };
}

/** Without a limit everything is equal. */
function compared(digit: string, limit: string | undefined, at: number): Order {
  if (limit === undefined) return 0;
  const other = limit[at] ?? '0';
  return digit < other ? -1 : digit > other ? 1 : 0;
}

/** The digits before the point are all there: more of them are a larger number. */
function pointed(written: Written, bounds: Bounds): Written {
  const order = (which: 'low' | 'high'): Order => {
    const limit = bounds[which]?.whole.length ?? written.whole;
    return written.whole === limit ? written[which] : written.whole < limit ? -1 : 1;
  };
  return { ...written, low: order('low'), high: order('high') };
}

function isAllowed(written: Written, limits: NumberLimits, bounds: Bounds): boolean {
  const { phase, negative, some, rest } = written;
  if (phase !== 'zero' && phase !== 'whole' && phase !== 'fraction') return false;
  if ((negative && !some) || rest !== 0) return false;
  const ended = phase === 'fraction' ? written : pointed(written, bounds);
  const above = valueOrder(ended, ended.low, bounds.low);
  const below = valueOrder(ended, ended.high, bounds.high);
  return (
    (!limits.low || above > 0 || (above === 0 && !limits.low.exclusive)) &&
    (!limits.high || below < 0 || (below === 0 && !limits.high.exclusive))
  );
}

/** Of the number to the limit. */
function valueOrder({ negative, some, fraction }: Written, order: Order, limit: Digits | undefined): Order {
  if (!limit) return 0;
  if (negative !== limit.negative) return negative ? -1 : some || limit.negative ? 1 : 0;
  const size = order || (limit.fraction.length > fraction ? -1 : 0);
  return (negative ? -size : size) as Order;
}

/** The shortest decimal number that is this f64. */
function digitsOf(value: number): Digits {
  const [mantissa, exponent = '0'] = String(Math.abs(value)).split('e');
  const [whole, fraction = ''] = mantissa!.split('.');
  const point = whole!.length + Number(exponent);
  const digits = whole! + fraction;
  const padded = point < 0 ? '0'.repeat(-point) + digits : digits.padEnd(point, '0');
  const at = Math.max(0, point);
  return {
    negative: value < 0,
    whole: padded.slice(0, at).replace(/^0+/, ''),
    fraction: padded.slice(at).replace(/0+$/, ''),
  };
}
