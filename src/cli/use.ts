// afterimage use: the model that is meant where none is named.
import { isAbsolute, resolve } from 'node:path';
import { existsSync, statSync } from 'node:fs';
import { findModel, modelName, STARTER } from '../engine/model-folder.js';
import { useModel, usualModel } from '../engine/usual-model.js';
import { AfterimageError } from '../errors.js';
import { openModel } from '../models/registry.js';
import type { Options } from './options.js';

/** Without a name: says which it is. */
export async function use(options: Options): Promise<void> {
  const [name] = options.positionals;
  if (name === undefined) return void process.stdout.write(`${modelName(findModel())}\n`);
  const folder = findModel(name);
  if (!statSync(folder).isDirectory())
    throw new AfterimageError('MODEL_NOT_FOUND', `${folder} is no folder; name that of a checkpoint.`);
  // A model that cannot be loaded is told now, not by the next question.
  openModel(folder);
  const before = usualModel();
  const chosen = name === STARTER ? undefined : isPath(name) ? resolve(folder) : name;
  useModel(chosen);
  const same = before === chosen ? ' already' : '';
  process.stdout.write(`${modelName(folder)} is${same} the default\n`);
  if (process.env['AFTERIMAGE_MODEL'])
    process.stderr.write('AFTERIMAGE_MODEL is set and comes first; unset it.\n');
}

function isPath(name: string): boolean {
  return isAbsolute(name) || name.startsWith('~') || existsSync(resolve(name));
}
