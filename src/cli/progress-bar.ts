// Progress on stderr while a person waits: one line, redrawn, gone when the answer begins. Silent where stderr is no
// terminal.
import type { CallProgress as Progress } from '../ask/call.js';

type Stage = Progress['stage'];

const LABELS: Record<Stage, string> = {
  build: 'Building the engine',
  read: 'Reading the text',
  queue: 'Waiting',
  load: 'Loading the model',
  encode: 'Looking at the image',
  prefill: 'Reading',
  decode: 'Answering',
};
const WIDTH = 24;
/** A shorter bar shows nothing. */
const NARROWEST = 6;
/** Of a terminal that does not say. */
const COLUMNS = 80;
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
    this.#stream.write(redrawn(progressLine(progress, this.#stream.columns), this.#stream.columns));
    this.#drawn = true;
  }

  clear(): void {
    if (!this.#drawn) return;
    this.#stream.write('\r\x1b[2K');
    this.#drawn = false;
    this.#stage = undefined;
  }
}

/** "Loading the model ████░░░░ 40 %", with as much of a bar as there is room for. */
export function progressLine({ stage, done, total }: Progress, columns: number | undefined): string {
  if (!total) return `${LABELS[stage]} …`;
  const share = Math.min(1, done / total);
  const words = [LABELS[stage], `${Math.round(share * 100)} %`];
  const room = Math.min(WIDTH, (columns ?? COLUMNS) - words.join(' ').length - 2);
  if (room < NARROWEST) return words.join(' ');
  const filled = Math.round(share * room);
  return [words[0], '█'.repeat(filled) + '░'.repeat(room - filled), words[1]].join(' ');
}

/** Takes the place of the line before: one that wrapped could not be taken back, so it is cut to the terminal. */
export function redrawn(line: string, columns: number | undefined): string {
  return `\r\x1b[2K${line.slice(0, Math.max(1, (columns || COLUMNS) - 1))}`;
}
