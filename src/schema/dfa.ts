// Regular sets of strings: deterministic automata over characters.
import { ANY, others, union, type Characters } from './characters.js';
import { tooLarge } from './refusals.js';

export interface Edge {
  low: number;
  high: number;
  to: number;
}

/** It begins in state 0; the edges of a state do not overlap. */
export interface Dfa {
  accepts: boolean[];
  edges: Edge[][];
}

export const MOST_DFA_STATES = 4000;

/** A text of this many characters. @param most Infinity: without end. */
export function lengths(least: number, most: number): Dfa {
  const last = most === Infinity ? least : most;
  if (last > MOST_DFA_STATES) throw tooLarge();
  const numbers = Array.from({ length: last + 1 }, (_, i) => i);
  return {
    accepts: numbers.map((count) => count >= least),
    edges: numbers.map((count) => (count < last ? anyTo(count + 1) : most === Infinity ? anyTo(count) : [])),
  };
}

/** Every text but these. */
export function allBut(texts: readonly string[]): Dfa {
  const accepts = [true, true];
  /** State 1: nothing that is begun with any of them. */
  const children: Map<number, number>[] = [new Map(), new Map()];
  for (const text of texts) {
    let at = 0;
    for (const character of text) {
      const code = character.codePointAt(0)!;
      let next = children[at]!.get(code);
      if (next === undefined) {
        next = accepts.push(true) - 1;
        children.push(new Map());
        children[at]!.set(code, next);
      }
      at = next;
    }
    accepts[at] = false;
  }
  const edges = children.map((next) => {
    const named = [...next].map(([code, to]) => ({ low: code, high: code, to }));
    const rest = others(union([...next.keys()].map((code) => [code, code] as const)));
    return [...named, ...rest.map(([low, high]) => ({ low, high, to: 1 }))];
  });
  return { accepts, edges };
}

export function both(a: Dfa, b: Dfa): Dfa {
  const numbers = new Map<string, number>([['0 0', 0]]);
  const pairs: [number, number][] = [[0, 0]];
  const result: Dfa = { accepts: [], edges: [] };
  for (let i = 0; i < pairs.length; i++) {
    const [left, right] = pairs[i]!;
    result.accepts.push(a.accepts[left]! && b.accepts[right]!);
    result.edges.push(
      shared(a.edges[left]!, b.edges[right]!).map(({ low, high, to }) => {
        const key = to.join(' ');
        let number = numbers.get(key);
        if (number === undefined) {
          number = pairs.push(to) - 1;
          numbers.set(key, number);
          if (number >= MOST_DFA_STATES) throw tooLarge();
        }
        return { low, high, to: number };
      }),
    );
  }
  return trimmed(result);
}

/** Whether a text is in the set. */
export function accepts(dfa: Dfa, text: string): boolean {
  let at = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const edge = dfa.edges[at]!.find(({ low, high }) => low <= code && code <= high);
    if (!edge) return false;
    at = edge.to;
  }
  return dfa.accepts[at]!;
}

/** Without edges to states from which nothing is accepted. */
export function trimmed({ accepts: accepting, edges }: Dfa): Dfa {
  const before: number[][] = edges.map(() => []);
  edges.forEach((list, from) => list.forEach(({ to }) => before[to]!.push(from)));
  const alive = [...accepting];
  const work = alive.flatMap((is, state) => (is ? [state] : []));
  for (let state = work.pop(); state !== undefined; state = work.pop()) {
    for (const from of before[state]!) {
      if (alive[from]) continue;
      alive[from] = true;
      work.push(from);
    }
  }
  return { accepts: accepting, edges: edges.map((list) => list.filter(({ to }) => alive[to])) };
}

function anyTo(to: number, set: Characters = ANY): Edge[] {
  return set.map(([low, high]) => ({ low, high, to }));
}

function shared(
  a: readonly Edge[],
  b: readonly Edge[],
): { low: number; high: number; to: [number, number] }[] {
  return a.flatMap((left) =>
    b.flatMap((right) => {
      const [low, high] = [Math.max(left.low, right.low), Math.min(left.high, right.high)];
      return low <= high ? [{ low, high, to: [left.to, right.to] as [number, number] }] : [];
    }),
  );
}
