// JSON files of a checkpoint folder.
import { join } from 'node:path';
import { AfterimageError } from '../../errors.js';
import { readText } from './plain-file.js';

export type Json = Record<string, unknown>;

/**
 * The object that a file holds; undefined where there is no such file.
 * @throws AfterimageError INVALID_CHECKPOINT when it holds something else.
 */
export function readJson(folder: string, name: string): Json | undefined {
  const file = join(folder, name);
  const text = readText(file);
  if (text === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw invalid(`"${file}" cannot be read as JSON`, cause);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw invalid(`"${file}" is not a JSON object`);
  return parsed as Json;
}

function invalid(what: string, cause?: unknown): AfterimageError {
  return new AfterimageError('INVALID_CHECKPOINT', `${what}; download the checkpoint again.`, { cause });
}
