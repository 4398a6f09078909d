// Images as clients hand them over: a reference, or the shape in which some interface passes pictures on.
import { isRecord, parseJson } from './json-text.js';

/** Where the reference stands in it: MCP's and other interfaces' parts, and plain objects of one field. */
const INSIDE = [
  'image_url',
  'source',
  'inline_data',
  'inlineData',
  'image',
  'url',
  'uri',
  'path',
  'file',
  'file_path',
];
const ITSELF = ['image_id', 'data', 'base64'];

/** The text that names the image; a value that holds none is returned as it is. */
export function reference(value: unknown, depth = 0): unknown {
  if (depth > 4) return value;
  if (typeof value === 'string') {
    const parsed = parseJson(value);
    const inside = parsed === undefined ? parsed : reference(parsed, depth + 1);
    return typeof inside === 'string' ? inside : value;
  }
  if (Array.isArray(value)) return value.length === 1 ? reference(value[0], depth + 1) : value;
  if (!isRecord(value)) return value;
  const key = [...ITSELF, ...INSIDE].find((name) => value[name] !== undefined && value[name] !== null);
  const found = key === undefined ? undefined : reference(value[key], depth + 1);
  return typeof found === 'string' ? found : value;
}

/** A list of references, however it is written; no list of less than two lines or parts is taken apart. */
export function references(value: unknown): unknown[] {
  const list = listed(value);
  const flat = list.flatMap((part) =>
    Array.isArray(part) && part.length > 1 ? (part as unknown[]) : [part],
  );
  // Longer lists are refused whatever they hold; there is no need to go through them.
  if (flat.length > 1000) return flat;
  return flat.length === 1 && typeof flat[0] === 'string'
    ? parts(flat[0])
    : flat.map((part) => reference(part));
}

function listed(value: unknown): unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  if (!isRecord(value)) return [value];
  const keys = Object.keys(value);
  // What XML and forms make of a list.
  if (keys.length > 0 && keys.every((key) => /^\d+$/.test(key))) return Object.values(value);
  if (keys.length === 1 && Array.isArray(value[keys[0]!])) return value[keys[0]!] as unknown[];
  return [value];
}

const LONGEST = 20_000;
const BULLET = /^\s*(?:[-*•]|\d+[.)])\s+/;

/** Several references in one text, one a line or separated where no single name can be meant. */
function parts(text: string): unknown[] {
  const json = parseJson(text) ?? (/^\s*".*"\s*$/s.test(text) ? parseJson(`[${text}]`) : undefined);
  if (Array.isArray(json) && json.length > 1) return json.map((part) => reference(part));
  if (text.length > LONGEST || /^[\s"'`<@]*data:/i.test(text)) return [reference(text)];
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  // The lines of base64 are one picture.
  if (lines.length > 1 && !lines.every((line) => /^[\w+/=-]{40,}$/.test(line.trim())))
    return lines.map((line) => line.replace(BULLET, '').replace(/[,;]\s*$/, ''));
  const apart = separated(text, /[,;]/);
  return apart.length > 1 && apart.every(isWhole) ? apart : [reference(text)];
}

/** Without blanks around the parts; a pattern for those would begin anew at every blank. */
export function separated(text: string, by: RegExp): string[] {
  return text
    .split(by)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** The absolute path of a picture, an address or an image_id: nothing that a name with a comma in it is made of. */
function isWhole(part: string): boolean {
  return (
    /^["'`]?(?:[/~]|[a-z]:[\\/]|file:|https?:).*\.(?:png|jpe?g|webp|gif|avif|tiff?|bmp|pdf)(?:#pages?=[\w-]+)?["'`]?$/is.test(
      part,
    ) || /^["'`]?img_[0-9a-f]{32}["'`]?$/.test(part)
  );
}
