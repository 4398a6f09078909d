// A JSON Schema as it is read: an object or the text of one, of which every keyword is known and has its form.
import { malformed, unsupported } from './refusals.js';

export type Schema = boolean | Readonly<Record<string, unknown>>;
export type Plain = Readonly<Record<string, unknown>>;
/** All of them hold. None has a keyword that names another schema to be held at the same place. */
export type Way = readonly Plain[];

const LONGEST_SCHEMA = 64_000;

const ANNOTATIONS = [
  ...['$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples'],
  ...['deprecated', 'readOnly', 'writeOnly'],
];
const TOGETHER = ['$ref', 'allOf', 'anyOf', 'oneOf'];
export const HELD = [
  ...['type', 'enum', 'const', 'minLength', 'maxLength', 'pattern', 'format'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  ...['properties', 'required', 'additionalProperties', 'minProperties', 'maxProperties'],
  ...['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems'],
];
const KNOWN = new Set([...ANNOTATIONS, ...TOGETHER, ...HELD]);
export const TYPES = ['null', 'boolean', 'number', 'integer', 'string', 'array', 'object'] as const;
export type Type = (typeof TYPES)[number];

/** @throws AfterimageError INVALID_ARGUMENT for what is no schema or too long */
export function readSchema(given: unknown): Schema {
  const text = typeof given === 'string' ? given : JSON.stringify(given);
  if (text === undefined || text.length > LONGEST_SCHEMA)
    throw malformed(`it has more than ${LONGEST_SCHEMA} characters`);
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch {
    throw malformed('the text is not JSON');
  }
  if (!isSchema(schema)) throw malformed('it is neither an object nor true');
  return schema;
}

/**
 * Keywords that change nothing are left unheard; one that is not known might.
 * @throws AfterimageError INVALID_ARGUMENT, SCHEMA_UNSUPPORTED
 */
export function check(schema: Plain): void {
  for (const key of Object.keys(schema)) if (!KNOWN.has(key) && !key.startsWith('x-')) throw unsupported(key);
  if (schema['uniqueItems'] !== undefined && schema['uniqueItems'] !== false)
    throw unsupported('uniqueItems');
  const types = [schema['type'] ?? []].flat();
  const unknown = types.find((type) => !TYPES.includes(type as Type));
  if (unknown !== undefined) throw malformed(`type ${JSON.stringify(unknown)} is none`);
  for (const [key, value] of Object.entries(schema)) {
    const wanted = FORMS[key];
    if (wanted && !wanted.is(value)) throw malformed(`${key} must be ${wanted.what}`);
  }
}

interface Form {
  what: string;
  is(value: unknown): boolean;
}

const count: Form = {
  what: 'a whole number',
  is: (value) => Number.isInteger(value) && (value as number) >= 0,
};
const number: Form = { what: 'a number', is: (value) => Number.isFinite(value) };
const schema: Form = { what: 'a schema', is: isSchema };
const schemas: Form = {
  what: 'a list of schemas',
  is: (value) => Array.isArray(value) && value.every(isSchema),
};
const some: Form = {
  what: 'a list of schemas',
  is: (value) => schemas.is(value) && (value as []).length > 0,
};

const FORMS: Record<string, Form> = {
  ...{ minLength: count, maxLength: count, minItems: count, maxItems: count },
  ...{ minProperties: count, maxProperties: count },
  ...{ minimum: number, maximum: number, exclusiveMinimum: number, exclusiveMaximum: number },
  multipleOf: { what: 'a number above 0', is: (value) => number.is(value) && (value as number) > 0 },
  pattern: { what: 'a text', is: (value) => typeof value === 'string' },
  enum: { what: 'a list', is: Array.isArray },
  required: {
    what: 'a list of names',
    is: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string'),
  },
  properties: {
    what: 'an object of schemas',
    is: (value) => isObject(value) && Object.values(value).every(isSchema),
  },
  ...{ additionalProperties: schema, additionalItems: schema, prefixItems: schemas },
  ...{ allOf: some, anyOf: some, oneOf: some },
  items: { what: 'a schema', is: (value) => schema.is(value) || schemas.is(value) },
};

export function list(of: Plain, key: string): readonly Schema[] {
  return (of[key] ?? []) as readonly Schema[];
}

function isObject(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'boolean' || isObject(value);
}
