// A regular expression of ECMA-262 (flag u) → the set of strings in which it is found.
import { RegExpParser, type AST } from '@eslint-community/regexpp';
import { ANY, intersection, LAST, others, union, type Characters, type Run } from './characters.js';
import { MOST_DFA_STATES, trimmed, type Dfa, type Edge } from './dfa.js';
import { malformed, tooLarge, unsupported } from './refusals.js';

const LONGEST_PATTERN = 2000;
const MOST_NFA_STATES = 4000;
/** States looked at while sets of them are followed: about a fifth of a second. */
const MOST_WORK = 2_000_000;

/** @throws AfterimageError INVALID_ARGUMENT for what is none, SCHEMA_UNSUPPORTED for what is not regular */
export function patternDfa(source: string): Dfa {
  if (source.length > LONGEST_PATTERN) throw tooLarge();
  const nfa = new Nfa();
  const [start, end] = [nfa.state(), nfa.state()];
  nfa.read(start, ANY, start);
  nfa.read(end, ANY, end);
  nfa.alternatives(parsed(source).alternatives, start, end);
  return determined(nfa, start, end);
}

function parsed(source: string): AST.Pattern {
  try {
    return new RegExpParser({ ecmaVersion: 2024 }).parsePattern(source, 0, source.length, { unicode: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw malformed(`its pattern cannot be read (${reason})`);
  }
}

/** Thompson 1968. An edge without a character may hold at the start or at the end of the text only. */
class Nfa {
  readonly free: { to: number; only?: 'start' | 'end' }[][] = [];
  readonly reads: { set: Characters; to: number }[][] = [];

  state(): number {
    if (this.free.length >= MOST_NFA_STATES) throw tooLarge();
    this.reads.push([]);
    return this.free.push([]) - 1;
  }

  read(from: number, set: Characters, to: number): void {
    this.reads[from]!.push({ set, to });
  }

  alternatives(list: readonly AST.Alternative[], from: number, to: number): void {
    for (const { elements } of list) {
      let at = from;
      for (const element of elements) {
        const next = this.state();
        this.#element(element, at, next);
        at = next;
      }
      this.free[at]!.push({ to });
    }
  }

  #element(element: AST.Element, from: number, to: number): void {
    const { type, raw } = element;
    if (type === 'Group' && element.modifiers) throw unsupported(`pattern with ${raw}`);
    if (type === 'Group' || type === 'CapturingGroup') this.alternatives(element.alternatives, from, to);
    else if (type === 'Quantifier') this.#quantifier(element, from, to);
    else if (type !== 'Assertion') this.read(from, charactersOf(element), to);
    else if (element.kind === 'start' || element.kind === 'end')
      this.free[from]!.push({ to, only: element.kind });
    else throw unsupported(`pattern with ${raw}`);
  }

  #quantifier({ element, min, max }: AST.Quantifier, from: number, to: number): void {
    let at = from;
    for (let count = 0; count < min; count++) at = this.#once(element, at);
    if (max === Infinity) {
      const loop = this.state();
      this.free[at]!.push({ to: loop });
      this.free[this.#once(element, loop)]!.push({ to: loop });
      at = loop;
    } else {
      for (let count = min; count < max; count++) {
        this.free[at]!.push({ to });
        at = this.#once(element, at);
      }
    }
    this.free[at]!.push({ to });
  }

  #once(element: AST.Element, from: number): number {
    const next = this.state();
    this.#element(element, from, next);
    return next;
  }
}

const DIGITS: Characters = [[0x30, 0x39]];
const WORD: Characters = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const LINE_ENDS: Characters = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];

function charactersOf(element: AST.Element | AST.CharacterClassElement): Characters {
  const { type, raw } = element;
  if (type === 'Character') return intersection([[element.value, element.value]], ANY);
  if (type === 'CharacterClassRange') return intersection([[element.min.value, element.max.value]], ANY);
  if (type === 'CharacterClass') {
    const set = union(...element.elements.map(charactersOf));
    return element.negate ? others(set) : set;
  }
  if (type !== 'CharacterSet') throw unsupported(`pattern with ${raw}`);
  if (element.kind === 'any') return others(LINE_ENDS);
  const set = { digit: DIGITS, word: WORD, space: undefined, property: undefined }[element.kind];
  if (!set) return matching(raw);
  return element.negate ? others(set) : set;
}

/** Sets that Unicode defines: every character is asked. */
const asked = new Map<string, Characters>();
function matching(raw: string): Characters {
  let set = asked.get(raw);
  if (set) return set;
  const test = new RegExp(raw, 'u');
  const runs: [number, number][] = [];
  for (let code = 0; code <= LAST; code++) {
    if (!test.test(String.fromCodePoint(code))) continue;
    const last = runs.at(-1);
    if (last && last[1] === code - 1) last[1] = code;
    else runs.push([code, code]);
  }
  set = intersection(runs, ANY);
  asked.set(raw, set);
  return set;
}

/** Rabin and Scott 1959. */
function determined(nfa: Nfa, start: number, end: number): Dfa {
  const result: Dfa = { accepts: [], edges: [] };
  const numbers = new Map<string, number>();
  const sets: number[][] = [];
  let work = 0;
  const numberOf = (set: number[]): number => {
    const key = set.join();
    let number = numbers.get(key);
    if (number === undefined) {
      if (sets.length >= MOST_DFA_STATES) throw tooLarge();
      number = sets.push(set) - 1;
      numbers.set(key, number);
    }
    return number;
  };
  const closed = (from: readonly number[], ...at: ('start' | 'end')[]): number[] => {
    const seen = new Set(from);
    for (const state of seen)
      for (const { to, only } of nfa.free[state]!) if (!only || at.includes(only)) seen.add(to);
    work += seen.size;
    if (work > MOST_WORK) throw tooLarge();
    return [...seen].sort((a, b) => a - b);
  };
  // It has no name: the same states reached later, where nothing starts, are another set.
  sets.push(closed([start], 'start'));
  for (let i = 0; i < sets.length; i++) {
    const set = sets[i]!;
    result.accepts.push((i === 0 ? closed(set, 'start', 'end') : closed(set, 'end')).includes(end));
    const reads = set.flatMap((state) => nfa.reads[state]!);
    const edges: Edge[] = [];
    for (const [[low, high], to] of pieces(reads)) {
      const number = numberOf(closed(to));
      const last = edges.at(-1);
      if (last && last.to === number && last.high === low - 1) last.high = high;
      else edges.push({ low, high, to: number });
      work += to.length;
    }
    result.edges.push(edges);
  }
  return trimmed(result);
}

/** Runs of characters that lead to the same states. */
function pieces(reads: readonly { set: Characters; to: number }[]): [Run, number[]][] {
  const events = reads.flatMap(({ set, to }) =>
    set.flatMap(([low, high]) => [
      { at: low, to, begins: true },
      { at: high + 1, to, begins: false },
    ]),
  );
  events.sort((a, b) => a.at - b.at);
  const open = new Map<number, number>();
  const result: [Run, number[]][] = [];
  events.forEach(({ at, to, begins }, i) => {
    const count = (open.get(to) ?? 0) + (begins ? 1 : -1);
    if (count > 0) open.set(to, count);
    else open.delete(to);
    const next = events[i + 1]?.at;
    if (open.size > 0 && next !== undefined && next > at) result.push([[at, next - 1], [...open.keys()]]);
  });
  return result;
}
