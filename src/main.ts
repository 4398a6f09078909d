#!/usr/bin/env node
// The command line: chooses the command, turns errors into one sentence and an exit code.
import { AfterimageError } from './errors.js';
import { endSoon, stopSignals } from './exit.js';
import { checkForm, findCommand } from './cli/commands.js';
import { helpOf, overview } from './cli/help.js';
import { Options } from './cli/options.js';
import { packageVersion } from './version.js';

/** Internal errors end with 1; everything a person can mend ends with 2. */
const INTERNAL = new Set(['INVALID_PROGRAM', 'BACKEND_FAILED', 'INTERNAL', 'CLOSED']);

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
    process.stderr.write(`${error.message} [${error.code}]\n`);
    return INTERNAL.has(error.code) ? 1 : 2;
  }
}

async function run(args: string[], signal: AbortSignal): Promise<void> {
  const [name, ...rest] = args;
  if (name === undefined && !process.stdin.isTTY)
    return (await findCommand('mcp').load())(new Options([]), signal);
  if (name === 'help' && rest[0] !== undefined) return write(helpOf(findCommand(rest[0])));
  if (name === undefined || ['--help', '-h', 'help'].includes(name)) return write(overview());
  if (['--version', '-V', '-v', 'version'].includes(name)) return write(`${packageVersion()}\n`);
  const command = findCommand(name);
  if (asksForHelp(rest)) return write(helpOf(command));
  const options = new Options(rest);
  checkForm(name, command, options);
  await (
    await command.load()
  )(options, signal);
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
