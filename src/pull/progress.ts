// How far a download is, how fast, and how long it still takes.

const WINDOW_MS = 10_000;

export interface PullProgress {
  file: string;
  /** Of all files, what was there before included. */
  doneBytes: number;
  totalBytes: number;
  /** Over the last ten seconds; absent until anything arrived. */
  bytesPerSecond?: number;
  secondsLeft?: number;
}

export class Progress {
  readonly #total: number;
  readonly #now: () => number;
  #samples: { at: number; done: number }[] = [];
  #file = '';
  #finished = 0;

  constructor(totalBytes: number, now: () => number = Date.now) {
    this.#total = totalBytes;
    this.#now = now;
  }

  /** @param bytes Of a file that is whole. */
  finish(bytes: number): void {
    this.#finished += bytes;
  }

  /** @param bytes Of the present file that are there. */
  at(file: string, bytes: number): PullProgress {
    const [at, done] = [this.#now(), this.#finished + bytes];
    // What was there before is no part of the rate, neither files nor the beginning of one.
    if (file !== this.#file) this.#samples = [];
    this.#file = file;
    this.#samples.push({ at, done });
    while (this.#samples.length > 2 && at - this.#samples[0]!.at > WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    const rate =
      at > first.at && done > first.done ? ((done - first.done) * 1000) / (at - first.at) : undefined;
    return {
      file,
      doneBytes: done,
      totalBytes: this.#total,
      ...(rate && { bytesPerSecond: rate, secondsLeft: (this.#total - done) / rate }),
    };
  }
}
