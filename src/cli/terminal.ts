// The terminal as a client of the tools, which are loaded only once the engine has begun to be: answers go to stdout as
// they come, progress and the closing line to stderr.
import { existsSync } from 'node:fs';
import { Answered } from '../ask/answered.js';
import type { Call } from '../ask/call.js';
import { Conversations } from '../ask/conversations.js';
import { Drawings } from '../ask/drawings.js';
import type { ReplyFields } from '../ask/fields.js';
import { MOST_TOKENS } from '../ask/most-tokens.js';
import type { Tool } from '../ask/tool.js';
import type { Engine } from '../engine/engine.js';
import { usableMemory } from '../engine/usable-memory.js';
import { AfterimageError } from '../errors.js';
import { createImageContext, loadImage } from '../image/load.js';
import type { ElementReader } from '../reading/elements.js';
import type { Reader } from '../reading/reading.js';
import { nativeReady } from './native-ready.js';
import { imageLimits, isHere, openEngine } from './open-engine.js';
import { openElementReader, openReader, openShelf } from './open-reader.js';
import type { Options } from './options.js';
import { ProgressBar } from './progress-bar.js';
import { Rates } from './rates.js';
import { tell, Told } from './told.js';

/** Side by side, reader and model take more at once; where less is left, one comes after the other. */
const ROOM_AHEAD = 2 ** 30;

/** What a command will ask for, so that it can be loaded ahead. */
export interface Ahead {
  /** References of the pictures that will be looked at, in their order. */
  images: readonly string[];
  /** Whether the model will answer, and not the reader alone. */
  model: boolean;
  /** Whether the whole of the first picture will be read. */
  reading?: boolean;
}

/** What a tool returns: the fields of every reply, and the tool's own. */
export type Result = ReplyFields & Record<string, unknown>;

export class Terminal {
  readonly call: Call;
  readonly #bar = new ProgressBar();
  readonly #json: boolean;
  readonly #maxTokens: number | undefined;
  readonly #thinking: boolean;
  /** The last note; the same one is not repeated for the next file. */
  #noted: string | undefined;

  private constructor(
    options: Options,
    engine: Engine,
    reader: Reader,
    elements: ElementReader,
    conversations: Conversations,
    signal: AbortSignal,
  ) {
    this.#json = options.flag('json');
    this.#thinking = options.flag('thinking');
    this.#maxTokens = options.number('max-tokens', 1, true, MOST_TOKENS);
    this.call = {
      engine,
      reader,
      elements,
      conversations,
      drawings: new Drawings(),
      answered: new Answered(),
      images: createImageContext({
        folders: 'everywhere',
        cwd: process.cwd(),
        limits: imageLimits(options),
        clipboard: true,
        shelf: openShelf(options),
      }),
      sampling: {
        temperature: options.number('temperature', 0, false),
        seed: options.number('seed', 0),
        thinkingTokens: options.number('thinking-tokens', 1, true, MOST_TOKENS),
      },
      signal,
      // Who waits here can see what is being done, and stop it.
      deadline: Infinity,
      onProgress: (progress) => this.#bar.update(progress),
    };
  }

  /**
   * Opens the engine that the options describe, for as long as `body` runs.
   */
  static async use(
    options: Options,
    signal: AbortSignal,
    ahead: Ahead,
    body: (terminal: Terminal) => Promise<void>,
  ): Promise<void> {
    const engine = await openEngine(options);
    if (!options.flag('remote')) await nativeReady(signal);
    const reader = await openReader(options);
    const elements = openElementReader(options);
    const conversations = new Conversations();
    const over = new AbortController();
    try {
      const terminal = new Terminal(options, engine, reader, elements, conversations, signal);
      if (isHere(options)) terminal.#begin(ahead, AbortSignal.any([signal, over.signal]));
      await body(terminal).finally(() => terminal.clear());
    } finally {
      over.abort();
      conversations.close();
      await reader.close();
      await elements.close();
      await engine.close();
    }
  }

  /**
   * Lets other threads load what will be asked, and read, while this one loads the tools. What fails is met, and told, by
   * the tool.
   */
  #begin({ images: [first], model, reading }: Ahead, signal: AbortSignal): void {
    const { engine, reader, elements, images, onProgress } = this.call;
    // Which pages of a document are wanted is the tool's affair.
    if (first === undefined || !existsSync(first) || /\.pdf$/i.test(first)) return;
    if (usableMemory().free < ROOM_AHEAD) return;
    const picture = loadImage(first, images, signal);
    const ahead: Promise<unknown>[] = [reader.begin(), picture];
    const told = (done: number, total?: number): void => onProgress({ stage: 'read', done, total });
    if (reading) ahead.push(picture.then((image) => reader.read(image, { signal, onProgress: told })));
    if (model) ahead.push(engine.ready(), elements!.begin());
    for (const begun of ahead) void begun.catch(() => {});
  }

  /**
   * Runs a tool and shows what it says: its answer while it comes or, where `text` is given, that text of the result;
   * with --json the tool's own result, on one line.
   * @throws AfterimageError what the tool throws
   */
  async show(tool: Tool, args: Record<string, unknown>, text?: (result: Result) => string): Promise<Result> {
    const rates = new Rates();
    let streamed = false;
    const call: Call = {
      ...this.call,
      onProgress: (progress) => {
        rates.see(progress);
        this.call.onProgress(progress);
      },
      onText: (more) => {
        if (this.#json || text) return;
        this.clear();
        streamed = true;
        process.stdout.write(more);
      },
      onThought: (more) => {
        if (!this.#thinking || this.#json) return;
        this.clear();
        process.stderr.write(more);
      },
    };
    const limit = this.#maxTokens !== undefined && { max_tokens: this.#maxTokens };
    const { runTool } = await import('../ask/run-tool.js');
    const { structured } = await runTool(tool, { ...args, ...limit, verbose: true }, call);
    const result = structured as Result;
    this.clear();
    if (this.#json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else {
      process.stdout.write(`${streamed ? '' : (text?.(result) ?? result.answer)}\n`);
      this.#note(result.note);
      if (result.cache.prompt_tokens !== 0) process.stderr.write(`${rates.line(result)}\n`);
    }
    return result;
  }

  #note(note: string | undefined): void {
    if (note && note !== this.#noted) process.stderr.write(`${note}\n`);
    this.#noted = note ?? this.#noted;
  }

  /**
   * One file after the other; one that cannot be read does not keep the others from their turn.
   * @param files As they were typed.
   * @param look Told the file's position.
   * @throws AfterimageError the last that a file was refused with
   */
  async each(files: string[], look: (index: number) => Promise<void>): Promise<void> {
    let refused: AfterimageError | undefined;
    for (const [index, file] of files.entries()) {
      if (files.length > 1 && !this.#json) process.stdout.write(`==> ${file} <==\n`);
      try {
        await look(index);
      } catch (error) {
        refused = this.told(error);
      }
    }
    if (refused) throw refused;
  }

  /** Tells what was refused, so that what comes next has its turn; anything else is thrown. */
  told(error: unknown): AfterimageError {
    if (this.call.signal.aborted || !(error instanceof AfterimageError)) throw error;
    this.clear();
    tell(error, this.#json);
    return new Told(error);
  }

  clear(): void {
    this.#bar.clear();
  }
}
