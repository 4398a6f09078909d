#!/usr/bin/env node
// The command line: chooses the command, turns errors into one sentence and an exit code.
import { AfterimageError } from './errors.js';
import { HELP } from './cli/help.js';
import { Options } from './cli/options.js';
import { packageVersion } from './version.js';

type Command = (options: Options, signal: AbortSignal) => Promise<void>;

/** Loaded on demand, so that `--help` and errors are instant. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  describe: async () => (await import('./cli/look.js')).describe,
  ask: async () => (await import('./cli/look.js')).ask,
  ocr: async () => (await import('./cli/look.js')).ocr,
  compare: async () => (await import('./cli/look.js')).compare,
  chat: async () => (await import('./cli/look.js')).chat,
  mcp: async () => (await import('./cli/serve.js')).mcp,
  serve: async () => (await import('./cli/serve.js')).serve,
  config: async () => (await import('./cli/serve.js')).config,
  models: async () => (await import('./cli/report.js')).models,
  doctor: async () => (await import('./cli/doctor.js')).doctor,
  pull: async () => (await import('./cli/report.js')).pullModel,
  cache: async () => (await import('./cli/report.js')).cache,
};

/** Internal errors end with 1; everything a person can mend ends with 2. */
const INTERNAL = new Set(['INVALID_PROGRAM', 'BACKEND_FAILED', 'CLOSED']);

async function main(args: string[]): Promise<number> {
  const interrupt = new AbortController();
  process.on('SIGINT', () => interrupt.abort());
  process.on('SIGTERM', () => interrupt.abort());
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    // A server ends by itself when its client has gone, and has things to put away first.
    if (args.length > 0 && args[0] !== 'mcp') process.exit(0);
  });
  try {
    await run(args, interrupt.signal);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) return 130;
    if (!(error instanceof AfterimageError)) throw error;
    process.stderr.write(`${error.message} [${error.code}]\n`);
    return INTERNAL.has(error.code) ? 1 : 2;
  }
}

async function run(args: string[], signal: AbortSignal): Promise<void> {
  const [name, ...rest] = args;
  if (name === undefined && !process.stdin.isTTY) return (await COMMANDS['mcp']!())(new Options([]), signal);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') return write(HELP);
  if (name === '--version') return write(`${packageVersion()}\n`);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command)
    throw new AfterimageError('INVALID_ARGUMENT', `There is no command "${name}"; see afterimage --help.`);
  const options = new Options(rest);
  if (options.flag('help')) return write(HELP);
  await (
    await command()
  )(options, signal);
}

function write(text: string): void {
  process.stdout.write(text);
}

process.exitCode = await main(process.argv.slice(2));
