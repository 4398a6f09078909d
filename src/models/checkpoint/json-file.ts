// JSON files of a checkpoint folder.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AfterimageError } from '../../errors.js';

export type Json = Record<string, unknown>;

/**
 * The object that a file holds; undefined where there is no such file.
 * @throws AfterimageError INVALID_CHECKPOINT when it holds something else.
 */
export function readJson(folder: string, name: string): Json | undefined {
  const file = join(folder, name);
  if (!existsSync(file)) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
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
