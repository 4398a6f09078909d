// Progress on stderr while a person waits: one line, redrawn, gone when the answer begins. Silent where stderr is no
// terminal.
import type { CallProgress as Progress } from '../ask/call.js';

type Stage = Progress['stage'];

const LABELS: Record<Stage, string> = {
  read: 'Reading the text',
  queue: 'Waiting',
  load: 'Loading the model',
  encode: 'Looking at the image',
  prefill: 'Reading',
  decode: 'Answering',
};
const WIDTH = 24;
const REDRAW_MS = 50;

export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;

  #drawn = false;
  #stage: Stage | undefined;
  #last = 0;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  update(progress: Progress): void {
    if (!this.#stream.isTTY) return;
    if (progress.stage === 'decode') return this.clear();
    const now = Date.now();
    if (progress.stage === this.#stage && now - this.#last < REDRAW_MS) return;
    this.#stage = progress.stage;
    this.#last = now;
    this.#stream.write(`\r\x1b[2K${LABELS[progress.stage]}${bar(progress)}`);
    this.#drawn = true;
  }

  clear(): void {
    if (!this.#drawn) return;
    this.#stream.write('\r\x1b[2K');
    this.#drawn = false;
    this.#stage = undefined;
  }
}

function bar({ done, total }: Progress): string {
  if (!total) return ' …';
  const share = Math.min(1, done / total);
  const filled = Math.round(share * WIDTH);
  return ` ${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${Math.round(share * 100)} %`;
}
