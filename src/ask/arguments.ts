// Arguments as clients really send them → what a tool's schema asks for. Schemas stay strict in what they publish; what
// can only mean one thing is read as that: null for "left out", numbers as text, one path where a list is due.
import * as z from 'zod';
import { AfterimageError } from '../errors.js';
import { isRecord, isScalar, parseJson } from './json-text.js';
import { named as spelledArguments, unwrappedArguments } from './other-names.js';
import { rectangle } from './rectangle.js';
import { reference, references, separated } from './references.js';
import type { Tool } from './tool.js';

export interface CheckedArguments {
  args: Record<string, unknown>;
  /** Names that the tool does not have, as they were sent; a result says that they were ignored. */
  ignored: string[];
}

/** @throws AfterimageError INVALID_ARGUMENT, TOO_MANY_IMAGES: what no reading of the arguments can satisfy. */
export function checkArguments({ name, input }: Tool, given: unknown): CheckedArguments {
  const ignored: string[] = [];
  const parsed = input.safeParse(checked(input, given ?? {}, ignored));
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

function checked(input: z.ZodObject, given: unknown, ignored: string[]): unknown {
  const fields = Object.keys(input.shape);
  const value = unwrappedArguments(given, fields);
  if (!isRecord(value)) return value;
  const { args, foreign } = spelledArguments(value, fields);
  ignored.push(...foreign);
  const repairedArgs = fields.map((field) => [
    field,
    repaired(input.shape[field], args[field], field, ignored),
  ]);
  return Object.fromEntries(repairedArgs.filter(([, part]) => part !== undefined)) as object;
}

/** The value as the schema would have it; undefined when it is absent in all but name. */
function repaired(schema: Schema, value: unknown, field: string, ignored: string[]): unknown {
  const bare = unwrapped(schema);
  if (isBlank(value, bare, field)) return schema === bare && acceptsEmpty(bare) ? '' : undefined;
  const foreign = (name: string) => ignored.push(`${field}.${name}`);
  if (bare instanceof z.ZodObject) return rectangle(value, foreign);
  if (bare instanceof z.ZodArray) return asArray(bare, value, field, foreign);
  if (field === 'schema') return typeof value === 'string' ? (parseJson(value) ?? value) : value;
  if (isImage(field)) return reference(value);
  const one = Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
  if (bare instanceof z.ZodNumber) return asNumber(unquoted(one));
  if (bare instanceof z.ZodBoolean) return asBoolean(unquoted(one));
  if (bare instanceof z.ZodEnum) return typeof one === 'string' ? unquoted(one.toLowerCase()) : one;
  // What looks like a number is often sent as one.
  return typeof one === 'number' || typeof one === 'boolean' ? String(one) : one;
}

function unwrapped(schema: Schema): Schema {
  const wrapped = schema instanceof z.ZodOptional || schema instanceof z.ZodDefault;
  return wrapped ? unwrapped(schema.unwrap()) : schema;
}

/** A required text that may be empty: an empty message continues an answer, and null is how some clients write it. */
function acceptsEmpty(schema: Schema): boolean {
  return schema instanceof z.ZodString && schema.safeParse('').success;
}

function isImage(field: string): boolean {
  return /^image(_[ab])?$/.test(field);
}

const BLANK = ['', 'null', 'undefined'];
const NONE = [...BLANK, 'none', 'nil', 'n/a', 'auto', 'default'];

function isBlank(value: unknown, schema: Schema, field: string): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value === 'string') {
    const isText = schema instanceof z.ZodString && field !== 'session_id';
    return (isText ? BLANK : NONE).includes(isText ? value.trim() : value.trim().toLowerCase());
  }
  return Array.isArray(value) && value.length === 0 && !(schema instanceof z.ZodArray);
}

function asArray(
  schema: z.ZodArray,
  value: unknown,
  field: string,
  foreign: (name: string) => void,
): unknown {
  const element = unwrapped(schema.element);
  const list = listOf(element, value, field);
  // Longer lists are refused whatever they hold; there is no need to go through them.
  if (list.length > 1000) return list;
  const each = (part: unknown) =>
    isBlank(part, element, field)
      ? undefined
      : element instanceof z.ZodObject
        ? rectangle(part, foreign)
        : part;
  return list.map(each).filter((part) => part !== undefined);
}

function listOf(element: Schema, value: unknown, field: string): unknown[] {
  if (field === 'images') return references(value);
  const parsed = typeof value === 'string' ? (parseJson(value) ?? value) : value;
  if (element instanceof z.ZodObject) return rectangles(parsed);
  if (typeof parsed === 'string') return separated(parsed, /[,;+/]/);
  return Array.isArray(parsed) ? parsed : [parsed];
}

/** One rectangle, or several in one text or one list of numbers. */
function rectangles(value: unknown): unknown[] {
  if (typeof value === 'string') {
    const apart = separated(value, /[;|\n]/);
    return apart.length > 1 && apart.every((part) => isRecord(rectangle(part))) ? apart : [value];
  }
  if (!Array.isArray(value)) return [value];
  const flat =
    value.length > 0 && value.every((part) => isScalar(part) && typeof asNumber(part) === 'number');
  if (!flat || value.length % 4 !== 0) return value;
  return Array.from({ length: value.length / 4 }, (_, at) => value.slice(4 * at, 4 * at + 4) as unknown[]);
}

const LONGEST_NUMBER = 1000;

function asNumber(value: unknown): unknown {
  if (typeof value !== 'string' || value.length > LONGEST_NUMBER) return value;
  if (!/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value)) return value;
  return Number(value);
}

/** Without the quotes and blanks that a text of a text brings along. */
function unquoted(value: unknown): unknown {
  return typeof value === 'string'
    ? value
        .trim()
        .replace(/^(["'`])(.*)\1$/s, '$2')
        .trim()
    : value;
}

const BOOLEANS: Record<string, boolean> = {
  ...{ true: true, yes: true, y: true, on: true, '1': true },
  ...{ false: false, no: false, n: false, off: false, '0': false },
};

function asBoolean(value: unknown): unknown {
  const word = isScalar(value) ? String(value).toLowerCase() : '';
  return Object.hasOwn(BOOLEANS, word) ? BOOLEANS[word] : value;
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
  if (missing) return `${where} is missing`;
  const isPlace = ['region', 'ignore_regions'].includes(String(issue.path[0]));
  return `${where}: ${isPlace ? 'expected x, y, width and height in whole pixels of the original image' : issue.message}`;
}
