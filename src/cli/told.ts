// An error as a person or a program at the command line is told it.
import { AfterimageError } from '../errors.js';
import { writeJson } from './json-line.js';

/** The sentence on stderr; with --json also an object in place of the result. */
export function tell({ code, message }: AfterimageError, json: boolean): void {
  if (json) writeJson({ error: { code, message } });
  process.stderr.write(`${message} [${code}]\n`);
}

/** Was told where it happened, and what came after it had its turn: it decides the exit code only. */
export class Told extends AfterimageError {
  constructor({ code, message }: AfterimageError) {
    super(code, message);
  }
}

/** What a command wants that was not given as it wants it. */
export function usage(form: string): AfterimageError {
  return new AfterimageError(
    'INVALID_ARGUMENT',
    `Expected: ${form}; see afterimage ${form.split(' ')[1]} --help.`,
  );
}
