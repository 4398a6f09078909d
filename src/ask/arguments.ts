// Arguments as clients really send them → what a tool's schema asks for. Schemas stay strict in what they publish; what
// can only mean one thing is read as that: null for "left out", numbers as text, one path where a list is due.
import { z } from 'zod';
import { AfterimageError } from '../errors.js';
import type { Tool } from './tool.js';

export interface CheckedArguments {
  args: Record<string, unknown>;
  /** Names that the tool does not have, as they were sent; a result says that they were ignored. */
  ignored: string[];
}

/** @throws AfterimageError INVALID_ARGUMENT, TOO_MANY_IMAGES: what no reading of the arguments can satisfy. */
export function checkArguments({ name, input }: Tool, given: unknown): CheckedArguments {
  const ignored: string[] = [];
  const parsed = input.safeParse(asObject(input, given ?? {}, '', ignored));
  if (parsed.success) return { args: parsed.data, ignored };
  throw invalidArguments(name, parsed.error, ignored);
}

const LONGEST_NAME = 40;
const MOST_NAMES = 8;

/** Undefined where everything was known. */
export function ignoredNote(ignored: string[]): string | undefined {
  if (ignored.length === 0) return undefined;
  const more = ignored.length > MOST_NAMES ? ` and ${ignored.length - MOST_NAMES} more` : '';
  return `Ignored, as this tool has no such arguments: ${named(ignored)}${more}.`;
}

/** Names are the caller's text: one line, no longer than a name is. */
function named(keys: string[]): string {
  return keys
    .slice(0, MOST_NAMES)
    .map((key) => key.replace(/[^\x20-\x7e]/g, '?').slice(0, LONGEST_NAME))
    .join(', ');
}

type Schema = z.core.$ZodType;

/** The value as the schema would have it; undefined when it is absent in all but name. */
function repaired(schema: Schema, value: unknown, path: string, ignored: string[]): unknown {
  const bare = unwrapped(schema);
  if (isBlank(value, bare)) return schema === bare && acceptsEmpty(bare) ? '' : undefined;
  if (bare instanceof z.ZodObject) return asObject(bare, value, path, ignored);
  if (bare instanceof z.ZodArray) return asArray(bare, value, path, ignored);
  if (bare instanceof z.ZodNumber) return asNumber(value);
  if (bare instanceof z.ZodBoolean) return asBoolean(value);
  if (bare instanceof z.ZodEnum) return typeof value === 'string' ? value.trim().toLowerCase() : value;
  return Array.isArray(value) && value.length === 1 && typeof value[0] === 'string' ? value[0] : value;
}

function unwrapped(schema: Schema): Schema {
  const wrapped = schema instanceof z.ZodOptional || schema instanceof z.ZodDefault;
  return wrapped ? unwrapped(schema.unwrap()) : schema;
}

/** A required text that may be empty: an empty message continues an answer, and null is how some clients write it. */
function acceptsEmpty(schema: Schema): boolean {
  return schema instanceof z.ZodString && schema.safeParse('').success;
}

const BLANK = ['', 'null', 'undefined'];
const NONE = ['none', 'nil'];

function isBlank(value: unknown, schema: Schema): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value === 'string')
    return (
      BLANK.includes(value.trim()) ||
      (!(schema instanceof z.ZodString) && NONE.includes(value.trim().toLowerCase()))
    );
  if (!(schema instanceof z.ZodObject) || typeof value !== 'object' || Array.isArray(value)) return false;
  return Object.values(value).every((part) => part === null || part === '');
}

/** Other names of a rectangle's sides. */
const ALIASES: Record<string, string> = { w: 'width', h: 'height', left: 'x', top: 'y' };

function asObject(schema: z.ZodObject, given: unknown, path: string, ignored: string[]): unknown {
  const fields = Object.keys(schema.shape);
  const value = path !== '' && Array.isArray(given) ? inOrder(fields, given) : fromText(fields, given);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const result: Record<string, unknown> = {};
  const named = new Map(
    Object.entries(value).map(([key, part]) => [fieldOf(key, fields, value), { key, part }]),
  );
  for (const [field, { key, part }] of named) {
    if (!fields.includes(field)) ignored.push(path + key);
    else result[field] = repaired(schema.shape[field], part, `${path}${field}.`, ignored);
  }
  for (const field of fields) {
    result[field] ??= repaired(schema.shape[field], undefined, '', ignored);
    if (result[field] === undefined) delete result[field];
  }
  // Forms that must be filled in are filled with zeros; a rectangle without any extent names no part.
  const nothing = path !== '' && fields.every((field) => result[field] === 0);
  return nothing ? undefined : result;
}

function fieldOf(key: string, fields: string[], value: object): string {
  const alias = ALIASES[key] ?? key;
  return !fields.includes(key) && fields.includes(alias) && !(alias in value) ? alias : key;
}

/** [x, y, width, height] for {x, y, width, height}. */
function inOrder(fields: string[], values: unknown[]): unknown {
  return values.length === fields.length
    ? Object.fromEntries(fields.map((field, index) => [field, values[index]]))
    : values;
}

/** Numbers and a few fields, as text: patterns are tried at each of its characters. */
const LONGEST_FORM = 1000;

/** JSON, "x,y,width,height" or "x=0, y=0, width=9, height=9". */
function fromText(fields: string[], value: unknown): unknown {
  if (typeof value !== 'string' || value.length > LONGEST_FORM) return value;
  const parsed = parseJson(value);
  if (Array.isArray(parsed)) return inOrder(fields, parsed);
  if (parsed !== undefined && typeof parsed === 'object') return parsed;
  const pairs = [...value.matchAll(/([a-z_]+)\s*[:=]\s*(-?[\d.]+)/gi)];
  if (pairs.length > 0)
    return Object.fromEntries(pairs.map(([, key, number]) => [key!.toLowerCase(), number]));
  const numbers = value
    .replace(/[[\](){}]/g, ' ')
    .trim()
    .split(/[\s,;]+/);
  return numbers.every((number) => asNumber(number) !== number) ? inOrder(fields, numbers) : value;
}

function asArray(schema: z.ZodArray, value: unknown, path: string, ignored: string[]): unknown {
  const element = unwrapped(schema.element);
  const list = listOf(element, value);
  // Longer lists are refused whatever they hold; there is no need to go through them.
  if (list.length > 1000) return list;
  return list.map((part) => repaired(element, part, path, ignored)).filter((part) => part !== undefined);
}

function listOf(element: Schema, value: unknown): unknown[] {
  const parsed = typeof value === 'string' ? parseJson(value) : value;
  if (!Array.isArray(parsed)) return [typeof value === 'string' ? value : parsed];
  // One rectangle as [x, y, width, height] where a list of them is due.
  const flat = element instanceof z.ZodObject && parsed.length > 0 && parsed.every(isScalar);
  return flat && parsed.every((part) => typeof asNumber(part) === 'number') ? [parsed] : parsed;
}

function isScalar(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'string';
}

function asNumber(value: unknown): unknown {
  if (typeof value !== 'string' || value.length > LONGEST_FORM) return value;
  if (!/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value)) return value;
  return Number(value);
}

const BOOLEANS: Record<string, boolean> = {
  true: true,
  yes: true,
  on: true,
  '1': true,
  false: false,
  no: false,
  off: false,
  '0': false,
};

function asBoolean(value: unknown): unknown {
  const word = isScalar(value) ? String(value).trim().toLowerCase() : '';
  return Object.hasOwn(BOOLEANS, word) ? BOOLEANS[word] : value;
}

const LONGEST_JSON = 100_000;

/** A list or an object written as JSON, or as Python prints it; undefined for other text. */
function parseJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text) || text.length > LONGEST_JSON) return undefined;
  for (const json of [text, text.replaceAll("'", '"').replace(/\bNone\b/g, 'null')]) {
    try {
      return JSON.parse(json) as unknown;
    } catch {
      // Not JSON: perhaps Python's spelling of it, else a name that begins with a bracket.
    }
  }
  return undefined;
}

function invalidArguments(tool: string, error: z.ZodError, ignored: string[]): AfterimageError {
  const problems = error.issues.slice(0, 5).map((issue) => problem(issue));
  const unknown = ignored.length > 0 ? ` It has no ${named(ignored)}.` : '';
  const crowded = error.issues.some(({ code, path }) => code === 'too_big' && path.join() === 'images');
  return new AfterimageError(
    crowded ? 'TOO_MANY_IMAGES' : 'INVALID_ARGUMENT',
    `${tool} cannot be called like this. ${problems.join('; ')}.${unknown}`,
    { cause: error },
  );
}

function problem(issue: z.core.$ZodIssue): string {
  const where = issue.path.join('.') || 'arguments';
  const missing =
    issue.code === 'invalid_type' && issue.input === undefined && issue.message.includes('undefined');
  return missing ? `${where} is missing` : `${where}: ${issue.message}`;
}
