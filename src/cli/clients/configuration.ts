// The entry of Afterimage in a client's configuration: as text to be pasted, or merged into the file that is there.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { applyEdits, modify, parse as parseJson, printParseErrorCode, type ParseError } from 'jsonc-parser';
import { parse as parseToml, stringify as stringifyToml } from 'smol-toml';
import { Document, parseDocument } from 'yaml';
import { AfterimageError } from '../../errors.js';
import type { Client, Launch } from './clients.js';

const NAME = 'afterimage';
const FORMATTING = { formattingOptions: { insertSpaces: true, tabSize: 2 } };

/** What to paste into the client's file. */
export function snippet(client: Client, launch: Launch): string {
  return merged('', client, launch).trimEnd();
}

export interface Written {
  file: string;
  /** A copy of what was there before; absent where there was nothing. */
  backup?: string;
  /** False when the file already said the same. */
  changed: boolean;
}

/**
 * Puts the entry into the client's file and leaves the rest, comments included, as it is.
 * @throws AfterimageError INVALID_ARGUMENT when the file cannot be parsed, IO_FAILED when it cannot be written.
 */
export function write(client: Client, launch: Launch, file = client.file): Written {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  const after = merged(before ?? '', client, launch, file);
  if (after === before) return { file, changed: false };
  try {
    mkdirSync(dirname(file), { recursive: true });
    const backup = before === undefined ? undefined : backUp(file);
    const mode = before === undefined ? 0o600 : statSync(file).mode;
    const part = `${file}.${process.pid}.part`;
    writeFileSync(part, after, { mode });
    renameSync(part, file);
    return { file, backup, changed: true };
  } catch (cause) {
    throw new AfterimageError(
      'IO_FAILED',
      `${file} cannot be written (${(cause as Error).message}); paste what \`afterimage config\` prints without --write.`,
      { cause },
    );
  }
}

/** The first backup is kept for ever, later ones beside it. */
function backUp(file: string): string {
  for (let number = 1; ; number++) {
    const backup = number === 1 ? `${file}.before-afterimage` : `${file}.before-afterimage.${number}`;
    if (existsSync(backup)) continue;
    copyFileSync(file, backup);
    return backup;
  }
}

function merged(text: string, client: Client, launch: Launch, file = client.file): string {
  const entry = client.entry(launch, client.callMs);
  const path = [...client.servers, NAME];
  switch (client.format) {
    case 'json':
      return mergeJson(text, path, entry, file);
    case 'yaml':
      return mergeYaml(text, path, entry, file);
    case 'toml':
      return mergeToml(text, path, entry, file);
  }
}

/** Settings of editors are JSON with comments and trailing commas. */
function mergeJson(text: string, path: string[], entry: object, file: string): string {
  if (text.trim() === '') return `${JSON.stringify(nested(path, entry), null, 2)}\n`;
  const errors: ParseError[] = [];
  const parsed: unknown = parseJson(text, errors, { allowTrailingComma: true });
  const first = errors[0];
  if (first) throw unreadable(file, `${printParseErrorCode(first.error)} at character ${first.offset}`);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw unreadable(file, 'not an object');
  return applyEdits(text, modify(text, path, entry, FORMATTING));
}

function mergeYaml(text: string, path: string[], entry: object, file: string): string {
  const document = text.trim() === '' ? new Document({}) : parseDocument(text);
  const first = document.errors[0];
  if (first) throw unreadable(file, first.message.split('\n')[0]!);
  try {
    document.setIn(path, document.createNode(entry));
  } catch (cause) {
    throw unreadable(file, (cause as Error).message);
  }
  return document.toString({ lineWidth: 0 });
}

/** A table of its own at the end, in place of an earlier one; what stands before it keeps its comments and order. */
function mergeToml(text: string, path: string[], entry: object, file: string): string {
  try {
    const kept = text.trim() === '' ? '' : `${withoutTable(text, path.join('.')).trimEnd()}\n\n`;
    // Only tables with a header line: [mcp_servers] alone would be a second definition of it.
    const added = stringifyToml(nested(path, entry)).replace(`[${path[0]}]\n`, '');
    const after = `${kept.trimStart()}${added.trim()}\n`;
    if (isDeepStrictEqual(plain(parseToml(after)), plain(withEntry(parseToml(text), path, entry))))
      return after;
  } catch (cause) {
    throw unreadable(file, (cause as Error).message.split('\n')[0]!);
  }
  throw unreadable(file, `${path.join('.')} is written in a form that cannot be replaced`);
}

/** Drops the lines of [name] and [name.…] up to the next header. */
function withoutTable(text: string, name: string): string {
  let inside = false;
  const kept = text.split('\n').filter((line) => {
    const header = /^\s*\[+\s*([^\]]+?)\s*\]/.exec(line)?.[1];
    if (header !== undefined) inside = header === name || header.startsWith(`${name}.`);
    return !inside;
  });
  return kept.join('\n');
}

/** Without the prototypes of a parser's tables. */
function plain(value: object): unknown {
  return JSON.parse(JSON.stringify(value));
}

function withEntry(whole: object, [table, name]: string[], entry: object): object {
  const servers = (whole as Record<string, object>)[table!] ?? {};
  return { ...whole, [table!]: { ...servers, [name!]: entry } };
}

function nested(path: string[], entry: object): Record<string, unknown> {
  return path.reduceRight<Record<string, unknown>>(
    (inner, key) => ({ [key]: inner }),
    entry as Record<string, unknown>,
  );
}

function unreadable(file: string, reason: string): AfterimageError {
  return new AfterimageError(
    'INVALID_ARGUMENT',
    `${file} is not what its client can read (${reason}), so nothing was written; mend it, or paste what \`afterimage config\` prints.`,
  );
}
