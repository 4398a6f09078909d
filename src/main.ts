#!/usr/bin/env node
// The command line: chooses the command, turns errors into one sentence and an exit code.
import { AfterimageError } from './errors.js';
import { endSoon } from './exit.js';
import { checkForm, findCommand } from './cli/commands.js';
import { HELP } from './cli/help.js';
import { Options } from './cli/options.js';
import { packageVersion } from './version.js';

/** Internal errors end with 1; everything a person can mend ends with 2. */
const INTERNAL = new Set(['INVALID_PROGRAM', 'BACKEND_FAILED', 'INTERNAL', 'CLOSED']);

async function main(args: string[]): Promise<number> {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
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
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') return write(HELP);
  if (name === '--version') return write(`${packageVersion()}\n`);
  const command = findCommand(name);
  const options = new Options(rest);
  if (options.flag('help')) return write(HELP);
  checkForm(name, command, options);
  await (
    await command.load()
  )(options, signal);
}

function write(text: string): void {
  process.stdout.write(text);
}

process.exitCode = await main(process.argv.slice(2));
