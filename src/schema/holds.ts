// Whether a value holds by a schema.
import { dereference, validate, Validator, type SchemaDraft } from '@cfworker/json-schema';
import type { Plain, Schema } from './schema.js';

/** @param plain A part of `root`, whose references it may hold. */
export function holds(value: unknown, plain: Plain, root: Schema): boolean {
  return validate(value, { ...plain }, draftOf(root), dereference(root as object)).valid;
}

/** A whole value by a whole schema. */
export function conforms(value: unknown, schema: Schema): boolean {
  if (typeof schema === 'boolean') return schema;
  return new Validator(structuredClone(schema), draftOf(schema)).validate(value).valid;
}

/** A list of schemas as `items` is of the older drafts. */
function draftOf(schema: Schema): SchemaDraft {
  return JSON.stringify(schema).includes('"items":[') ? '2019-09' : '2020-12';
}
