// The commands: where each is, how many arguments it takes and which options belong to it.
import { AfterimageError } from '../errors.js';
import { OPTIONS_OF_THE_ENGINE, type OptionName, type Options } from './options.js';

export type Run = (options: Options, signal: AbortSignal) => Promise<void>;

interface Command {
  /** Loaded on demand, so that `--help` and errors are instant. */
  load(): Promise<Run>;
  /** Most arguments; a command says itself when there are too few. */
  most: number;
  options: readonly OptionName[];
}

const ENGINE = [...OPTIONS_OF_THE_ENGINE, 'remote', 'socket'] as const;
const FILES = ['max-bytes', 'max-megapixels'] as const;
const LOOK = [...ENGINE, ...FILES, 'json', 'max-tokens', 'temperature', 'seed'] as const;
const SERVER = [...ENGINE, ...FILES, 'allow', 'allow-urls', 'preload', 'deadline-ms', 'verbose'] as const;

const COMMANDS: Record<string, Command> = {
  describe: {
    load: async () => (await import('./look.js')).describe,
    most: Infinity,
    options: [...LOOK, 'detail'],
  },
  ask: { load: async () => (await import('./look.js')).ask, most: Infinity, options: LOOK },
  ocr: {
    load: async () => (await import('./ocr.js')).ocr,
    most: Infinity,
    options: [...LOOK, 'lines', 'find', 'annotate', 'method'],
  },
  compare: { load: async () => (await import('./look.js')).compare, most: Infinity, options: LOOK },
  chat: { load: async () => (await import('./chat.js')).chat, most: Infinity, options: LOOK },
  mcp: {
    load: async () => (await import('./serve.js')).mcp,
    most: 0,
    options: [...SERVER, 'http', 'token-file'],
  },
  serve: {
    load: async () => (await import('./serve.js')).serve,
    most: 0,
    options: [...OPTIONS_OF_THE_ENGINE, 'socket', 'verbose'],
  },
  config: {
    load: async () => (await import('./config.js')).config,
    most: 1,
    options: [...SERVER, 'write', 'file', 'pasted'],
  },
  models: { load: async () => (await import('./models.js')).models, most: 0, options: ['json', 'remove'] },
  doctor: {
    load: async () => (await import('./doctor.js')).doctor,
    most: 0,
    options: [...ENGINE, 'json', 'metal'],
  },
  pull: { load: async () => (await import('./pull.js')).pullModel, most: 1, options: ['revision'] },
  cache: { load: async () => (await import('./report.js')).cache, most: 1, options: ['json', 'cache-dir'] },
};

/** @throws AfterimageError INVALID_ARGUMENT when there is no such command. */
export function findCommand(name: string): Command {
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name]!;
  throw new AfterimageError('INVALID_ARGUMENT', `There is no command "${name}"; see afterimage --help.`);
}

/** @throws AfterimageError INVALID_ARGUMENT for what the command would ignore. */
export function checkForm(name: string, command: Command, options: Options): void {
  const stray = options.names().find((option) => option !== 'help' && !command.options.includes(option));
  if (stray) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `--${stray} does not belong to afterimage ${name}; leave it out, or see afterimage --help.`,
    );
  }
  if (options.positionals.length <= command.most) return;
  const extra = options.positionals[command.most]!;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `afterimage ${name} does not take "${extra}"; see afterimage --help.`,
  );
}
