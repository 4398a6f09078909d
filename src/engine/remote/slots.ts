// A few places, and a queue for them.

export class Slots {
  #free: number;

  readonly #queue: (() => void)[] = [];

  /** @param free Places at once. */
  constructor(free: number) {
    this.#free = free;
  }

  /** Resolves with what gives the place back, to be called once. */
  async take(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    return () => {
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    };
  }
}
