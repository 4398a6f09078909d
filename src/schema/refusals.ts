// What a schema may not say here, each by its name.
import { AfterimageError } from '../errors.js';

/** @param what Keyword, with its value where that is what is not supported. */
export function unsupported(what: string, remedy = 'leave it out'): AfterimageError {
  return new AfterimageError(
    'SCHEMA_UNSUPPORTED',
    `The schema's ${what.slice(0, 120)} is not supported for answers; ${remedy}.`,
  );
}

export function tooLarge(): AfterimageError {
  return new AfterimageError(
    'SCHEMA_UNSUPPORTED',
    'The schema is too large to hold an answer to; ask for less of it at once.',
  );
}

export function malformed(what: string): AfterimageError {
  return new AfterimageError('INVALID_ARGUMENT', `This is no JSON Schema: ${what.slice(0, 200)}.`);
}
