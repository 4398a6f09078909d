#!/usr/bin/env node
// The command line: chooses the command, turns errors into one sentence and an exit code.
import { AfterimageError } from './errors.js';
import { endSoon, stopSignals } from './exit.js';
import { checkForm, findCommand } from './cli/commands.js';
import { helpOf, overview } from './cli/help.js';
import { Options } from './cli/options.js';
import { tell, Told } from './cli/told.js';
import { packageVersion } from './version.js';

/** Internal errors end with 1; everything a person can mend ends with 2. */
const INTERNAL = new Set(['INVALID_PROGRAM', 'BACKEND_FAILED', 'BACKEND_LOST', 'INTERNAL', 'CLOSED']);

async function main(args: string[]): Promise<number> {
  const interrupt = new AbortController();
  for (const signal of stopSignals()) {
    process.on(signal, () => {
      interrupt.abort();
      endSoon(130);
    });
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A server ends by itself when its client has gone, and has things to put away first.
    if (args.length === 0 || args[0] === 'mcp') return;
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`The output could not be written (${error.code}); send it elsewhere. [IO_FAILED]\n`);
    process.exit(2);
  });
  try {
    await run(args, interrupt.signal);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) return 130;
    if (!(error instanceof AfterimageError)) throw error;
    if (!(error instanceof Told)) tell(error, args.includes('--json'));
    return INTERNAL.has(error.code) ? 1 : 2;
  }
}

async function run(args: string[], signal: AbortSignal): Promise<void> {
  const [first, second] = args;
  if (first === 'help' && second !== undefined) return write(helpOf(findCommand(second)));
  if (first === undefined ? process.stdin.isTTY : ['--help', '-h', 'help'].includes(first))
    return write(overview());
  if (['--version', '-V', '-v', 'version'].includes(first ?? '')) return write(`${packageVersion()}\n`);
  const { name, rest } = commandOf(args);
  const command = findCommand(name);
  if (asksForHelp(rest)) return write(helpOf(command));
  const options = new Options(rest, { name, options: command.options });
  checkForm(name, command, options);
  if (command.group === 'look') void (await import('./image/pixel-jobs.js')).decoderReady();
  await (
    await command.load()
  )(options, signal);
}

/** The command comes first, or behind options; where a program that names none has started this, it is the server. */
function commandOf(args: string[]): { name: string; rest: string[] } {
  const [first, ...rest] = args;
  if (first !== undefined && !first.startsWith('-')) return { name: first, rest };
  const at = new Options(args).firstAt;
  if (at !== undefined) return { name: args[at]!, rest: args.toSpliced(at, 1) };
  if (!process.stdin.isTTY) return { name: 'mcp', rest: args };
  throw new AfterimageError('INVALID_ARGUMENT', `Which command is ${first} for? See afterimage --help.`);
}

/** Whatever else is wrong with the arguments: whoever asks for help is told. */
function asksForHelp(args: string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === '--help' || arg === '-h');
}

function write(text: string): void {
  process.stdout.write(text);
}

process.exitCode = await main(process.argv.slice(2));
