// Whether a text is one that a grammar's tables allow, found out the slow way: every stack is a list, and every step
// looks at all of them.
import type { GrammarTables } from '../../src/schema/tables.js';

/** [state, how often it was entered], the top first. */
type Stack = readonly (readonly [number, number])[];

export class Recogniser {
  readonly #start: number;
  readonly #edges = new Map<number, { ranges: number[][]; jumps: number[]; calls: number[][] }>();
  readonly #repeats = new Map<number, number[]>();
  readonly #finals: Set<number>;

  constructor({ start, ranges, jumps, calls, repeats, finals }: GrammarTables) {
    this.#start = start;
    this.#finals = new Set(finals);
    for (const [state, low, high, to] of rows(ranges, 4)) this.#of(state!).ranges.push([low!, high!, to!]);
    for (const [state, to] of rows(jumps, 2)) this.#of(state!).jumps.push(to!);
    for (const [state, called, to] of rows(calls, 3)) this.#of(state!).calls.push([called!, to!]);
    for (const [state, ...repeat] of rows(repeats, 6)) this.#repeats.set(state!, repeat);
  }

  accepts(text: string): boolean {
    let stacks: Stack[] = [[[this.#start, 0]]];
    for (const byte of new TextEncoder().encode(text))
      stacks = this.#reached(stacks).flatMap(([top, ...rest]) =>
        (top ? this.#of(top[0]).ranges : [])
          .filter(([low, high]) => low! <= byte && byte <= high!)
          .map(([, , to]): Stack => [[to!, 0], ...rest]),
      );
    return this.#reached(stacks).some((stack) => stack.length === 0);
  }

  #of(state: number) {
    let edges = this.#edges.get(state);
    if (!edges) this.#edges.set(state, (edges = { ranges: [], jumps: [], calls: [] }));
    return edges;
  }

  #reached(begun: readonly Stack[]): Stack[] {
    const found = new Map<string, Stack>();
    const work = [...begun];
    for (let stack = work.pop(); stack; stack = work.pop()) {
      const key = JSON.stringify(stack);
      if (found.has(key)) continue;
      found.set(key, stack);
      const [top, ...rest] = stack;
      if (!top) continue;
      const [state, count] = top;
      if (this.#finals.has(state)) work.push(rest);
      for (const to of this.#of(state).jumps) work.push([[to, 0], ...rest]);
      for (const [called, to] of this.#of(state).calls) work.push([[called!, 0], [to!, 0], ...rest]);
      const repeat = this.#repeats.get(state);
      if (!repeat) continue;
      const [first, more, least, most, to] = repeat as [number, number, number, number, number];
      if (count >= least) work.push([[to, 0], ...rest]);
      if (most >= 0 && count >= most) continue;
      const counted = most < 0 ? Math.min(count + 1, Math.max(1, least)) : count + 1;
      work.push([[count === 0 ? first : more, 0], [state, counted], ...rest]);
    }
    return [...found.values()];
  }
}

function rows(table: Int32Array, width: number): number[][] {
  return Array.from({ length: table.length / width }, (_, i) => [
    ...table.subarray(i * width, (i + 1) * width),
  ]);
}
