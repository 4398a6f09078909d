// The command line's options: one table for parsing and for `--help`.
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { AfterimageError } from '../errors.js';
import { nearest } from './nearest.js';

export interface Option {
  type: 'string' | 'boolean';
  short?: string;
  multiple?: boolean;
  value?: string;
  help: string;
}

export const OPTIONS = {
  model: {
    type: 'string',
    value: 'NAME',
    help: 'org/name of a pulled model, or a checkpoint folder (default: that of `afterimage use`, else the bundled one)',
  },
  vision: {
    type: 'string',
    value: 'DIR',
    help: 'folder or name of the checkpoint with the vision weights, or an mmproj file, where --model is without them',
  },
  json: {
    type: 'boolean',
    help: 'one JSON object a line instead of text, spelled like the tools’ results',
  },
  'max-tokens': { type: 'string', value: 'N', help: 'longest answer, in tokens' },
  page: { type: 'string', value: 'N', help: 'page of a PDF, or a range such as 2-4, at most 5 (default 1)' },
  fps: {
    type: 'string',
    value: 'N',
    help: 'see frames, or a GIF or WebP animation, as one timeline, N of them a second (usually 2; at most 64)',
  },
  detail: { type: 'string', value: 'LEVEL', help: 'brief, normal or full (default normal)' },
  lines: { type: 'boolean', help: 'a row for each line of text: x,y WIDTHxHEIGHT, then the text' },
  find: {
    type: 'string',
    value: 'TEXT',
    help: 'only where TEXT stands, best match first: the point to click, the box, the text',
  },
  annotate: { type: 'string', value: 'OUT.png', help: 'also write the picture with the boxes drawn in' },
  method: {
    type: 'string',
    value: 'M',
    help: 'reader (default), or model for handwriting and formulas',
  },
  precision: {
    type: 'string',
    value: 'P',
    help: 'exact, fast or faster (default: fast for quantized weights, exact otherwise)',
  },
  backend: { type: 'string', value: 'B', help: 'cpu or metal (default cpu)' },
  threads: { type: 'string', value: 'N', help: 'threads of the CPU backend (default: all cores)' },
  'kv-bits': {
    type: 'string',
    value: 'N',
    help: '8, 16 or 32 bits per element of the KV cache (default 16)',
  },
  'kv-gb': {
    type: 'string',
    value: 'G',
    help: 'memory for KV blocks in GiB (default: a quarter of the memory)',
  },
  'max-pixels': {
    type: 'string',
    value: 'N',
    help: 'look at images with at most N pixels each (default: what the checkpoint says)',
  },
  'image-tokens': {
    type: 'string',
    value: 'N',
    help: 'tokens of one image, where the model has a choice: Gemma 4 takes 70, 140, 280, 560 or 1120 (screens: 1120)',
  },
  'max-bytes': { type: 'string', value: 'N', help: 'largest image file (default 20 MB)' },
  'max-megapixels': {
    type: 'string',
    value: 'N',
    help: 'most pixels of an image, in millions (default 100)',
  },
  temperature: {
    type: 'string',
    value: 'T',
    help: '0 always takes the likeliest word (default); higher is freer',
  },
  seed: { type: 'string', value: 'N', help: 'another answer where --temperature is above 0 (default 0)' },
  thinking: {
    type: 'boolean',
    help: 'also print, on stderr, what the model thinks before it answers, where it is one that does',
  },
  'thinking-tokens': {
    type: 'string',
    value: 'N',
    help: 'longest thoughts, in tokens, beside those of the answer (default 2048)',
  },
  'cache-dir': {
    type: 'string',
    value: 'DIR',
    help: 'folder of the disk cache (default: $XDG_CACHE_HOME/afterimage)',
  },
  reader: {
    type: 'string',
    value: 'DIR',
    help: 'folder with a text detector and recogniser of the hub (default: the bundled PP-OCRv4)',
  },
  'no-disk-cache': { type: 'boolean', help: 'keep nothing on disk' },
  allow: {
    type: 'string',
    value: 'DIR',
    multiple: true,
    help: 'folder whose images may be read; repeatable (default: the working folder)',
  },
  'allow-urls': { type: 'boolean', help: 'images may be fetched from public http(s) addresses' },
  'allow-clipboard': { type: 'boolean', help: 'agents may look at the picture on the clipboard' },
  http: {
    type: 'string',
    value: 'PORT',
    help: 'listen on 127.0.0.1:PORT (0: any free one)',
  },
  upstream: {
    type: 'string',
    value: 'URL',
    help: 'where requests go on to, such as https://api.example.com/v1; the key comes with each request',
  },
  port: { type: 'string', value: 'N', help: 'where it listens (default 8788; 0: any free one)' },
  host: {
    type: 'string',
    value: 'ADDRESS',
    help: 'listen there instead of on 127.0.0.1, for clients that send X-Afterimage-Token',
  },
  'max-images': { type: 'string', value: 'N', help: 'images of one request over HTTP (default 5)' },
  'token-file': {
    type: 'string',
    value: 'FILE',
    help: 'where the bearer token is kept (made where absent)',
  },
  remote: {
    type: 'boolean',
    help: 'ask the engine that `afterimage serve` keeps resident, instead of loading a model',
  },
  socket: {
    type: 'string',
    value: 'FILE',
    help: 'where the engine listens (default: $XDG_CACHE_HOME/afterimage/engine.sock)',
  },
  engine: {
    type: 'string',
    value: 'URL',
    multiple: true,
    help: 'ask a server that speaks chat completions instead of loading a model; repeatable',
  },
  'engine-model': { type: 'string', value: 'NAME', help: 'model of that server (default: its only one)' },
  'engine-key-file': {
    type: 'string',
    value: 'FILE',
    help: 'holds the key of that server, readable by you alone (default: $AFTERIMAGE_ENGINE_KEY)',
  },
  preload: { type: 'boolean', help: 'load the model at start instead of at first use' },
  'deadline-ms': {
    type: 'string',
    value: 'MS',
    help: 'answer at the latest after MS milliseconds (default 50000)',
  },
  write: {
    type: 'boolean',
    help: 'merge it into the client’s file; what was there is kept beside it',
  },
  file: { type: 'string', value: 'FILE', help: 'another file of the client, such as .mcp.json' },
  pasted: { type: 'boolean', help: 'also allow the folder of pictures pasted into the client' },
  revision: { type: 'string', value: 'REV', help: 'branch, tag or commit (default main)' },
  remove: { type: 'string', value: 'NAME', help: 'delete the downloaded model org/name' },
  metal: { type: 'boolean', help: 'the Metal device and every kernel’s self-test' },
  compile: { type: 'boolean', help: 'compile every Metal kernel and run none' },
  verbose: { type: 'boolean', help: 'log more to stderr' },
  help: { type: 'boolean', short: 'h', help: 'this text' },
} satisfies Record<string, Option>;

/** Native code and timers count in 32 bits. */
const MOST = 2 ** 31 - 1;

/** What `afterimage serve` decides for all who share its engine. */
export const OPTIONS_OF_THE_ENGINE = [
  'model',
  'vision',
  'precision',
  'backend',
  'threads',
  'kv-bits',
  'kv-gb',
  'max-pixels',
  'image-tokens',
  'cache-dir',
  'no-disk-cache',
  'reader',
] as const;

/** Where an engine is that is not loaded here. */
export const OPTIONS_OF_OTHERS = ['remote', 'socket', 'engine', 'engine-model', 'engine-key-file'] as const;

export type OptionName = keyof typeof OPTIONS;

export class Options {
  readonly #values: Record<string, string | boolean | (string | boolean)[] | undefined>;
  readonly positionals: string[];
  /** Where among the arguments the first that is no option stands. */
  readonly firstAt: number | undefined;

  /**
   * @param command Its name and the options that it has: what a slip is taken for.
   * @throws AfterimageError INVALID_ARGUMENT for an unknown option or a missing value.
   */
  constructor(args: string[], command?: { name: string; options: readonly string[] }) {
    const options = Object.fromEntries(
      Object.entries<Option>(OPTIONS).map(([name, { type, short, multiple }]) => [
        name,
        { type, multiple: multiple ?? false, ...(short && { short }) },
      ]),
    ) as ParseArgsConfig['options'];
    try {
      const parsed = parseArgs({ args, options, allowPositionals: true, strict: true, tokens: true });
      this.#values = parsed.values;
      this.positionals = parsed.positionals;
      this.firstAt = parsed.tokens.find(({ kind }) => kind === 'positional')?.index;
    } catch (cause) {
      const slip = slipOf(cause as Error & { code?: string }, command?.options ?? Object.keys(OPTIONS));
      const next = slip.endsWith('?') ? '' : `; see afterimage ${command?.name ?? 'COMMAND'} --help.`;
      throw new AfterimageError('INVALID_ARGUMENT', `${slip}${next}`, { cause });
    }
  }

  /** @throws AfterimageError INVALID_ARGUMENT for an empty value, such as that of a shell variable that is not set. */
  text(name: OptionName): string | undefined {
    const value = this.#values[name] as string | undefined;
    if (value !== '') return value;
    throw new AfterimageError('INVALID_ARGUMENT', `--${name} is empty; give it a value or leave it out.`);
  }

  /** Those that were given. */
  names(): OptionName[] {
    return Object.keys(this.#values) as OptionName[];
  }

  given(name: OptionName): boolean {
    return this.#values[name] !== undefined;
  }

  flag(name: OptionName): boolean {
    return this.#values[name] === true;
  }

  list(name: OptionName): string[] {
    return (this.#values[name] as string[] | undefined) ?? [];
  }

  /** @throws AfterimageError INVALID_ARGUMENT unless the value is one of `choices`. */
  choice<T extends string>(name: OptionName, choices: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined || choices.includes(value as T)) return value as T | undefined;
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)} for --${name} but received "${value}".`,
    );
  }

  /** @throws AfterimageError INVALID_ARGUMENT unless the value is a number between `least` and `most`. */
  number(name: OptionName, least: number, whole = true, most = MOST): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (
      value.trim() === '' ||
      !Number.isFinite(number) ||
      number < least ||
      number > most ||
      (whole && !Number.isInteger(number))
    ) {
      throw new AfterimageError(
        'INVALID_ARGUMENT',
        `Expected a ${whole ? 'whole ' : ''}number between ${least} and ${most} for --${name} but received "${value}".`,
      );
    }
    return number;
  }
}

/** What the parser's own words mean to who typed the arguments. */
function slipOf({ code, message }: Error & { code?: string }, known: readonly string[]): string {
  const option = /'(?:-\w, )?(--?[^' ]+)/.exec(message)?.[1] ?? '';
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const meant =
      nearest(option.replace(/^--/, ''), known) ?? nearest(option.replace(/^--/, ''), Object.keys(OPTIONS));
    return `There is no option ${option}${meant ? `; did you mean --${meant}?` : ''}`;
  }
  if (message.includes('does not take')) return `${option} takes no value`;
  const value = (OPTIONS as Record<string, Option>)[option.replace(/^--/, '')]?.value;
  return `${option} needs a value: ${option} ${value}, or ${option}=${value} where that begins with "-"`;
}
