// Answers by a JSON Schema: what is refused before anything is looked at, and the value that an answer is.
import { AfterimageError } from '../errors.js';
import type { Answer, JsonSchema } from '../engine/engine.js';
import { isRecord } from './json-text.js';

/**
 * @param beside What else the call asks for.
 * @throws AfterimageError INVALID_ARGUMENT, SCHEMA_UNSUPPORTED
 */
export async function checkSchema(
  schema: unknown,
  beside: { choices: readonly string[] | undefined; continues?: boolean },
): Promise<JsonSchema | undefined> {
  if (!isRecord(schema)) return undefined;
  if (beside.choices) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      'An answer is one of choices or holds by a schema; leave one of the two out, or put the choices into the schema as an enum.',
    );
  }
  if (beside.continues) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      'A schema belongs to a question; leave it out to go on with an answer, which keeps its own.',
    );
  }
  // Few calls have one, and a command would wait for what reads it.
  const { compileSchema } = await import('../schema/compile.js');
  compileSchema(schema);
  return schema;
}

/** Undefined while the answer is not whole. */
export function structuredOf(answer: Pick<Answer, 'text' | 'whole'> | null): unknown {
  return answer?.whole ? (JSON.parse(answer.text) as unknown) : undefined;
}
