// Progress on stderr while a person waits: on a terminal one line, redrawn, gone when the answer begins; elsewhere (a
// pipe, a log) a plain line now and then, and none for what is over soon.
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
/** What is over sooner needs no plain line; between two of them lies as much. */
const PLAIN_MS = 2000;
/** Plain lines of a stage that knows how long it is. */
const PLAIN_STEPS = 4;

/** Where progress is shown: process.stderr, or what a test puts in its place. */
export type ProgressStream = Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'>;

export class ProgressBar {
  readonly #stream: ProgressStream;
  readonly #line: StatusLine;

  constructor(stream: ProgressStream = process.stderr) {
    this.#stream = stream;
    this.#line = new StatusLine(stream);
  }

  update(progress: Progress): void {
    const { stage, done, total } = progress;
    if (stage === 'decode') return this.clear();
    const { isTTY, columns } = this.#stream;
    const step = total ? Math.floor((PLAIN_STEPS * Math.min(done, total)) / total) : 0;
    this.#line.show(progressLine(progress, isTTY ? columns : 0), stage, `${stage} ${step}`);
  }

  clear(): void {
    this.#line.clear();
  }
}

/** A line that says how far something is. */
export class StatusLine {
  readonly #stream: ProgressStream;
  /** What is shown, and since when. */
  #stage: string | undefined;
  #last = 0;
  #step: string | undefined;
  /** When the next plain line may be written, and what it will say. */
  #due: number | undefined;
  #pending = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: ProgressStream = process.stderr) {
    this.#stream = stream;
  }

  /**
   * @param stage A terminal is redrawn at once when it changes, else every now and then.
   * @param step A plain line is written when it changes, but not before the last one has had its time.
   */
  show(line: string, stage: string, step: string): void {
    if (this.#stream.isTTY) this.#redraw(line, stage);
    else if (step !== this.#step) this.#plain(line, step);
  }

  clear(): void {
    if (this.#stage !== undefined) this.#stream.write('\r\x1b[2K');
    clearTimeout(this.#timer);
    this.#stage = this.#step = this.#due = this.#timer = undefined;
  }

  #redraw(line: string, stage: string): void {
    const now = Date.now();
    if (stage === this.#stage && now - this.#last < REDRAW_MS) return;
    this.#stage = stage;
    this.#last = now;
    this.#stream.write(redrawn(line, this.#stream.columns));
  }

  #plain(line: string, step: string): void {
    this.#step = step;
    this.#pending = line;
    this.#due ??= Date.now() + PLAIN_MS;
    const wait = this.#due - Date.now();
    if (wait <= 0) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), wait).unref();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = Date.now() + PLAIN_MS;
    this.#stream.write(`${this.#pending}\n`);
  }
}

/**
 * "Loading the model ████░░░░ 40 %", with as much of a bar as there is room for.
 * @param columns 0: no bar; undefined: a terminal that does not say.
 */
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
