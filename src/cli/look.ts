// The commands that look at images: describe, ask, ocr, compare, chat. Answers go to stdout as they come; progress and
// the closing line go to stderr.
import { createInterface } from 'node:readline';
import type { Answer, Engine } from '../engine/engine.js';
import type { Message } from '../prompt/message.js';
import { AfterimageError } from '../errors.js';
import { createImageContext, loadImage, type ImageContext, type LoadedImage } from '../image/load.js';
import { describeQuestion, ocrQuestion, systemMessage, userMessage } from '../prompt/layout.js';
import { parseLines } from '../prompt/parse.js';
import { imageLimits, openEngine } from './open-engine.js';
import type { Options } from './options.js';
import { ProgressBar } from './progress-bar.js';
import { ratesLine } from './rates.js';

const MAX_IMAGES = 5;

export async function describe(options: Options, signal: AbortSignal): Promise<void> {
  const [file] = imageArguments(options, 1, 1, 'afterimage describe FILE');
  const detail = options.choice('detail', ['brief', 'normal', 'full'] as const) ?? 'normal';
  await answerOnce(options, signal, [file!], describeQuestion(detail));
}

export async function ask(options: Options, signal: AbortSignal): Promise<void> {
  const question = options.positionals.at(-1);
  const files = options.positionals.slice(0, -1);
  if (!question || files.length === 0) throw usage('afterimage ask FILE... "QUESTION"');
  if (files.length > MAX_IMAGES) throw tooMany(files.length);
  await answerOnce(options, signal, files, question);
}

export async function ocr(options: Options, signal: AbortSignal): Promise<void> {
  const [file] = imageArguments(options, 1, 1, 'afterimage ocr FILE');
  if (!options.flag('lines')) return answerOnce(options, signal, [file!], ocrQuestion('text'));
  await withEngine(options, async (engine, look) => {
    const { boxes, name } = await engine.ready(look.progress);
    if (!boxes) {
      throw new AfterimageError(
        'INVALID_ARGUMENT',
        `The model "${name}" does not give boxes; leave out --lines or choose another --model.`,
      );
    }
    const [image] = await look.load([file!]);
    const answer = await look.ask(engine, [image!], ocrQuestion('lines'), signal, () => {});
    const viewed = answer.viewed[0]!;
    look.clear();
    const { lines, unparsed } = parseLines(answer.text, { boxes, viewed, original: image! });
    if (options.flag('json')) return print(answer, [image!], { lines });
    for (const { text, x, y, width, height } of lines)
      process.stdout.write(`${x},${y} ${width}x${height}\t${text}\n`);
    if (unparsed > 0) process.stderr.write(`${unparsed} lines of the answer could not be read as boxes.\n`);
    look.rates(answer);
  });
}

/** Reads questions from stdin, one a line, until it ends. */
export async function chat(options: Options, signal: AbortSignal): Promise<void> {
  const files = imageArguments(options, 1, MAX_IMAGES, 'afterimage chat FILE...');
  await withEngine(options, async (engine, look) => {
    const pictures = await look.load(files);
    const session = engine.open();
    await engine.warm(pictures, signal);
    if (signal.aborted) throw interrupted();
    let messages: Message[] = [systemMessage()];
    const input = createInterface({
      input: process.stdin,
      output: process.stdin.isTTY ? process.stderr : undefined,
      prompt: '> ',
    });
    signal.addEventListener('abort', () => input.close(), { once: true });
    // On a terminal readline takes Ctrl-C for itself.
    input.on('SIGINT', () => process.emit('SIGINT'));
    input.prompt();
    let refused: AfterimageError | undefined;
    for await (const line of input) {
      if (line.trim() !== '') refused = (await answerLine(line.trim())) ?? refused;
      input.prompt();
    }
    if (signal.aborted) throw interrupted();
    if (refused) throw new AfterimageError(refused.code, 'Not every question was answered; see above.');

    /** What cannot be answered leaves the conversation as it was, and the next line has its turn. */
    async function answerLine(text: string): Promise<AfterimageError | undefined> {
      const asked = [...messages, userMessage(messages.length === 1 ? pictures : [], text)];
      try {
        const answer = await session.ask(asked, {
          ...look.options,
          signal,
          onProgress: look.progress,
          onText: look.text,
        });
        if (options.flag('json')) print(answer, pictures, {});
        else look.close(answer);
        if (answer.stopReason === 'cancelled') throw interrupted();
        messages = [...asked, { role: 'assistant', content: [{ type: 'text', text: answer.text }] }];
        return undefined;
      } catch (error) {
        if (signal.aborted || !(error instanceof AfterimageError)) throw error;
        look.clear();
        process.stderr.write(`${error.message} [${error.code}]\n`);
        return error;
      }
    }
  });
}

async function answerOnce(
  options: Options,
  signal: AbortSignal,
  files: string[],
  question: string,
): Promise<void> {
  await withEngine(options, async (engine, look) => {
    const pictures = await look.load(files);
    const answer = await look.ask(engine, pictures, question, signal, look.text);
    if (options.flag('json')) print(answer, pictures, {});
    else look.close(answer);
  });
}

/** Terminal side of one command. */
export class Look {
  private readonly bar = new ProgressBar();
  readonly context: ImageContext;
  readonly options: { maxTokens: number; temperature: number; seed: number };

  constructor(private readonly command: Options) {
    this.context = createImageContext({
      folders: 'everywhere',
      cwd: process.cwd(),
      limits: imageLimits(command),
    });
    this.options = {
      maxTokens: command.number('max-tokens', 1) ?? 512,
      temperature: command.number('temperature', 0, false) ?? 0,
      seed: command.number('seed', 0) ?? 0,
    };
  }

  readonly progress = this.bar.update.bind(this.bar);
  readonly text = (text: string): void => {
    if (this.command.flag('json')) return;
    this.bar.clear();
    process.stdout.write(text);
  };

  load(files: string[]): Promise<LoadedImage[]> {
    return Promise.all(files.map((file) => loadImage(file, this.context)));
  }

  async ask(
    engine: Engine,
    pictures: LoadedImage[],
    question: string,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<Answer> {
    const messages = [systemMessage(), userMessage(pictures, question)];
    const answer = await engine
      .open()
      .ask(messages, { ...this.options, signal, onProgress: this.progress, onText });
    if (answer.stopReason === 'cancelled') throw interrupted();
    return answer;
  }

  clear(): void {
    this.bar.clear();
  }

  /** After the answer's text. */
  close(answer: Answer): void {
    this.clear();
    process.stdout.write('\n');
    this.rates(answer);
  }

  rates(answer: Answer): void {
    process.stderr.write(`${ratesLine(answer)}\n`);
  }
}

export async function withEngine(
  options: Options,
  body: (engine: Engine, look: Look) => Promise<void>,
): Promise<void> {
  const look = new Look(options);
  const engine = openEngine(options);
  try {
    await body(engine, look);
  } finally {
    look.progress({ stage: 'decode', done: 0 });
    await engine.close();
  }
}

function print(answer: Answer, pictures: LoadedImage[], extra: Record<string, unknown>): void {
  const { text, stopReason, cache, decodeMs, viewed, tokenIds } = answer;
  const shown = {
    answer: text,
    ...extra,
    stop_reason: stopReason,
    images: pictures.map(({ imageId, width, height }, i) => ({
      image_id: imageId,
      width,
      height,
      viewed: viewed[i],
    })),
    tokens: tokenIds.length,
    cache,
    decode_ms: decodeMs,
  };
  process.stdout.write(`${JSON.stringify(shown)}\n`);
}

export function imageArguments(options: Options, least: number, most: number, form: string): string[] {
  const files = options.positionals;
  if (files.length < least || (files.length > most && most < MAX_IMAGES)) throw usage(form);
  if (files.length > most) throw tooMany(files.length);
  return files;
}

function usage(form: string): AfterimageError {
  return new AfterimageError('INVALID_ARGUMENT', `Expected: ${form}; see afterimage --help.`);
}

function tooMany(count: number): AfterimageError {
  return new AfterimageError(
    'TOO_MANY_IMAGES',
    `At most ${MAX_IMAGES} images fit one question but ${count} were given; ask about them in parts.`,
  );
}

export function interrupted(): AfterimageError {
  return new AfterimageError('CANCELLED', 'Interrupted.');
}
