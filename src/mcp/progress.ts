// Engine stages → MCP progress notifications: one rising number per call, with the real stage in words.
import type { ProgressToken, ServerContext } from '@modelcontextprotocol/server';
import type { CallProgress } from '../ask/call.js';

type Stage = CallProgress['stage'];

interface Part {
  /** Of 0…100: proportions of a cold first call, only meant to be seen moving. */
  from: number;
  to: number;
  words: string;
}

const PARTS: Record<Stage, Part> = {
  build: { from: 0, to: 5, words: 'building the native engine' },
  read: { from: 0, to: 30, words: 'reading the text' },
  queue: { from: 0, to: 5, words: 'waiting for other calls' },
  load: { from: 5, to: 35, words: 'loading the model' },
  encode: { from: 35, to: 55, words: 'reading the image' },
  prefill: { from: 55, to: 75, words: 'reading the question' },
  decode: { from: 75, to: 100, words: 'answering' },
};
const TOTAL = 100;
/** Least time between two notifications of one stage. */
const PACE_MS = 200;

/** Sends nothing unless the client gave a progress token. */
export class ProgressReporter {
  readonly #context: ServerContext;
  readonly #token: ProgressToken | undefined;
  #last = -1;
  #stage: Stage | undefined;
  #sentAt = 0;
  #closed = false;
  #sending: Promise<void> = Promise.resolve();

  constructor(context: ServerContext) {
    this.#context = context;
    this.#token = context.mcpReq._meta?.progressToken;
  }

  report({ stage, done, total }: CallProgress): void {
    if (this.#token === undefined || this.#closed) return;
    const now = performance.now();
    const reached = this.#position(stage, done, total);
    const entered = stage !== this.#stage;
    if (reached <= this.#last || (!entered && now - this.#sentAt < PACE_MS)) return;
    this.#last = reached;
    this.#stage = stage;
    this.#sentAt = now;
    this.#send({
      progressToken: this.#token,
      progress: reached,
      total: TOTAL,
      message: inWords(stage, done, total),
    });
  }

  /** Nothing is sent after this resolves: a notification must not follow the result. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#sending;
  }

  /** A stage without a total nears the end of its span without reaching it. */
  #position(stage: Stage, done: number, total: number | undefined): number {
    const { from, to } = PARTS[stage];
    const share = total ? Math.min(1, done / total) : 1 - 1 / (1 + Math.log2(1 + done));
    const position = from + (to - from) * share;
    // A stage may be entered at the very end of the one before (0 tokens of prefill): still a step forward.
    return stage === this.#stage ? position : Math.min(TOTAL, Math.max(position, this.#last + 0.1));
  }

  #send(params: { progressToken: ProgressToken; progress: number; total: number; message: string }): void {
    this.#sending = this.#sending
      .then(() => this.#context.mcpReq.notify({ method: 'notifications/progress', params }))
      // The client may have gone; its call ends by its signal.
      .catch(() => {});
  }
}

/** "reading the image, 40 %"; without a total there is nothing to take a share of. */
export function inWords(stage: Stage, done: number, total?: number): string {
  const { words } = PARTS[stage];
  return total ? `${words}, ${Math.min(100, Math.round((100 * done) / total))} %` : words;
}
