// The commands: where each is, how many arguments it takes and which options belong to it.
import { AfterimageError } from '../errors.js';
import { CLIENTS } from './clients/clients.js';
import { nearest } from './nearest.js';
import { OPTIONS_OF_OTHERS, OPTIONS_OF_THE_ENGINE, type OptionName, type Options } from './options.js';

export type Run = (options: Options, signal: AbortSignal) => Promise<void>;

export interface Command {
  group: keyof typeof GROUPS;
  /** As it is typed, without the program's name. */
  form: string;
  /** What it does, in a few words. */
  about: string;
  /** What its own help says beside that. */
  more?: string;
  /** Loaded on demand, so that `--help` and errors are instant. */
  load(): Promise<Run>;
  /** Most arguments; a command says itself when there are too few. */
  most: number;
  options: readonly OptionName[];
  /** Help of options that mean something else, or more, here. */
  words?: Partial<Record<OptionName, string>>;
}

/** Headings of the overview, in its order. */
export const GROUPS = {
  look: 'Look at images',
  serve: 'Serve agents',
  manage: 'Models and this machine',
};

const ENGINE = [...OPTIONS_OF_THE_ENGINE, ...OPTIONS_OF_OTHERS] as const;
const FILES = ['max-bytes', 'max-megapixels'] as const;
const LOOK = [
  ...ENGINE,
  ...FILES,
  ...(['json', 'max-tokens', 'temperature', 'seed', 'thinking', 'thinking-tokens'] as const),
] as const;
const PASSING = [...ENGINE, ...FILES, 'allow', 'allow-urls', 'preload', 'verbose'] as const;
const SERVER = [...PASSING, 'allow-clipboard', 'deadline-ms'] as const;

export const COMMANDS: Record<string, Command> = {
  describe: {
    group: 'look',
    form: 'describe FILE...',
    about: 'what an image shows',
    more: 'Says what each image shows, one after another.',
    load: async () => (await import('./look.js')).describe,
    most: Infinity,
    options: [...LOOK, 'page', 'fps', 'detail'],
    words: { 'max-tokens': 'longest answer, in tokens (default: 96, 384 or 1024, as --detail says)' },
  },
  ask: {
    group: 'look',
    form: 'ask FILE... "QUESTION"',
    about: 'a question about one or several images',
    more: 'Answers a question about one or several images. The question may also come first: what is no file is the question.',
    load: async () => (await import('./look.js')).ask,
    most: Infinity,
    options: [...LOOK, 'page', 'fps'],
    words: { 'max-tokens': 'longest answer, in tokens (default 512)' },
  },
  ocr: {
    group: 'look',
    form: 'ocr FILE...',
    about: 'the text of an image, in reading order',
    more: 'Prints the text of each image in reading order. The text reader finds it exactly and without the model; [?] stands for what cannot be read.',
    load: async () => (await import('./ocr.js')).ocr,
    most: Infinity,
    options: [...LOOK, 'page', 'lines', 'find', 'annotate', 'method'],
    words: {
      'max-tokens': 'with --method model: longest answer, in tokens (default 1024)',
      temperature: 'with --method model: 0 always takes the likeliest word (default); higher is freer',
      seed: 'with --method model: another answer where --temperature is above 0 (default 0)',
      thinking: 'with --method model: also print, on stderr, what the model thinks before it reads',
      'thinking-tokens': 'with --method model: longest thoughts, in tokens (default 2048)',
    },
  },
  locate: {
    group: 'look',
    form: 'locate FILE "WHAT"',
    about: 'where something is: the point to click and its box',
    more: 'Says where something is, such as "the blue Send button": a row for each place with the point to click, the box, its text and who found it. The text reader finds what can be read; what cannot, a model that was trained to point (Qwen-VL, PaliGemma, Kimi).',
    load: async () => (await import('./locate.js')).locate,
    most: 2,
    options: [...LOOK, 'page', 'annotate'],
    words: {
      annotate: 'also write the picture with the places numbered',
      'max-tokens': 'longest answer of a model that is asked, in tokens (default 512)',
    },
  },
  compare: {
    group: 'look',
    form: 'compare BEFORE AFTER',
    about: 'what changed between two images',
    more: 'Says what changed between two images: the pixels, the text, then what the model sees in the changed parts. Below that, the boxes that changed, before and after, as x,y WIDTHxHEIGHT.',
    load: async () => (await import('./look.js')).compare,
    most: Infinity,
    options: LOOK,
    words: { 'max-tokens': 'longest answer, in tokens (default 384)' },
  },
  chat: {
    group: 'look',
    form: 'chat FILE...',
    about: 'questions one after another',
    more: 'Answers questions about the same images, from the terminal or a pipe, one a line. An empty line continues an answer that was cut.',
    load: async () => (await import('./chat.js')).chat,
    most: Infinity,
    options: LOOK,
    words: { 'max-tokens': 'longest answer, in tokens (default 512)' },
  },
  mcp: {
    group: 'serve',
    form: 'mcp',
    about: 'the MCP server on stdio (--http PORT: on loopback)',
    more: 'The MCP server. Clients start it themselves: afterimage config CLIENT prints what they need to know.',
    load: async () => (await import('./serve.js')).mcp,
    most: 0,
    options: [...SERVER, 'http', 'token-file'],
    words: { http: 'listen on http://127.0.0.1:PORT/mcp instead of stdio (0: any free port)' },
  },
  serve: {
    group: 'serve',
    form: 'serve',
    about: 'one resident engine for all with --remote (--http PORT: OpenAI’s API and a page too)',
    more: 'Keeps one engine resident on a socket, for all commands and servers with --remote. With --http PORT it also shows a page at http://127.0.0.1:PORT/ and answers /v1/chat/completions, /v1/models, /health, /metrics and /mcp on loopback.',
    load: async () => (await import('./serve.js')).serve,
    most: 0,
    options: [...SERVER, 'http', 'token-file', 'max-images'],
    words: {
      http: 'also listen on 127.0.0.1:PORT (0: any free port): chat completions at /v1, MCP at /mcp',
      'max-bytes': 'largest image file (default 20 MB, over chat completions 10 MB)',
    },
  },
  proxy: {
    group: 'serve',
    form: 'proxy --upstream URL',
    about: 'eyes for agents whose model is text-only: words in place of pictures',
    more: 'Passes chat completions, OpenAI Responses and Anthropic Messages on to the provider at URL, each picture replaced by what the model sees in it, the text that is read in it and its image_id; everything else passes as it is, keys and streams included. Point the agent’s base URL at it. The same picture always gets the same words; commands and MCP servers of the same user know it by its image_id for a week.',
    load: async () => (await import('./proxy.js')).proxy,
    most: 0,
    options: [...PASSING, 'upstream', 'port', 'host', 'token-file'],
  },
  config: {
    group: 'serve',
    form: 'config CLIENT',
    about: 'the snippet for an MCP client',
    more: `Prints the snippet for ${CLIENTS.slice(0, -1).join(', ')} or ${CLIENTS.at(-1)}, with the options that are given.`,
    load: async () => (await import('./config.js')).config,
    most: 1,
    options: [...SERVER, 'write', 'file', 'pasted', 'json'],
  },
  models: {
    group: 'manage',
    form: 'models',
    about: 'what is installed, supported checkpoints and the memory they need',
    load: async () => (await import('./models.js')).models,
    most: 0,
    options: ['json', 'remove'],
  },
  use: {
    group: 'manage',
    form: 'use [NAME]',
    about: 'the model that is meant where --model is not given',
    more: 'Makes an installed model (org/name, or a folder) the default: of commands, and at once of servers that run without --model. Without NAME it says which it is; afterimage-starter is the bundled one.',
    load: async () => (await import('./use.js')).use,
    most: 1,
    options: ['json'],
  },
  pull: {
    group: 'manage',
    form: 'pull ORG/NAME[:QUANTIZATION][@REVISION]',
    about: 'downloads a checkpoint from the Hugging Face hub',
    more: 'Downloads a checkpoint from the Hugging Face hub into Hugging Face’s own cache; of a repository of GGUF files the mmproj file and the model of one QUANTIZATION, Q4_K_M where none is named. HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_ENDPOINT and HTTPS_PROXY are heeded.',
    load: async () => (await import('./pull.js')).pullModel,
    most: 1,
    options: ['revision', 'json'],
  },
  cache: {
    group: 'manage',
    form: 'cache [list|clear]',
    about: 'what is kept on disk',
    more: 'Lists what is kept on disk of images that were seen: sizes, ages, models, pictures. clear deletes all of it; it is made again when it is needed.',
    load: async () => (await import('./report.js')).cache,
    most: 1,
    options: ['json', 'cache-dir'],
  },
  doctor: {
    group: 'manage',
    form: 'doctor',
    about: 'whether looking works here',
    more: 'Says whether looking works here, then what this machine has (--verbose: all counters).',
    load: async () => (await import('./doctor.js')).doctor,
    most: 0,
    options: [...ENGINE, 'json', 'metal', 'compile', 'verbose'],
    words: {
      verbose: 'every counter',
      metal: 'only the Metal device: every kernel tested and timed, into one file',
    },
  },
};

/** Words of other programs for the same. */
const ALSO = new Map([
  ['list', 'models'],
  ['download', 'pull'],
  ['read', 'ocr'],
  ['diff', 'compare'],
]);

/** @throws AfterimageError INVALID_ARGUMENT when there is no such command. */
export function findCommand(name: string): Command {
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name]!;
  const meant = ALSO.get(name) ?? nearest(name, Object.keys(COMMANDS));
  const instead = meant ? `; did you mean "${meant}"?` : '; see afterimage --help.';
  throw new AfterimageError('INVALID_ARGUMENT', `There is no command "${name}"${instead}`);
}

/** @throws AfterimageError INVALID_ARGUMENT for what the command would ignore. */
export function checkForm(name: string, command: Command, options: Options): void {
  const stray = options.names().find((option) => option !== 'help' && !command.options.includes(option));
  if (stray) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `--${stray} does not belong to afterimage ${name}; leave it out, or see afterimage ${name} --help.`,
    );
  }
  if (options.positionals.length <= command.most) return;
  const extra = options.positionals[command.most]!;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `afterimage ${name} does not take "${extra}"; see afterimage ${name} --help.`,
  );
}
