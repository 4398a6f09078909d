// Finds the folder of a checkpoint: a path, the bundled starter model, or one that was downloaded before, by whatever.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { AfterimageError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { usualModel } from './usual-model.js';
import { copiesOf, isComplete, isModelName, modelPlaces, nameInPlace } from './model-places.js';

export function starterFolder(): string {
  return join(packageRoot(), 'models', 'starter');
}

export function isBundled(folder: string): boolean {
  return folder === starterFolder();
}

/** How the bundled model is called. */
export const STARTER = 'afterimage-starter';

/**
 * @param reference Folder, or `org/name` of a downloaded checkpoint; absent: $AFTERIMAGE_MODEL, else the one that was
 *   chosen with `afterimage use`, else the starter model.
 * @throws AfterimageError MODEL_NOT_FOUND with the places that were tried, or with the copy that is not complete.
 */
export function findModel(reference?: string): string {
  const wanted = reference ?? (process.env['AFTERIMAGE_MODEL'] || usualModel());
  if (wanted === undefined || wanted === '' || wanted === STARTER) return starterFolder();
  const asPath = resolve(wanted.replace(/^~(?=\/|$)/, homedir()));
  if (existsSync(asPath)) return asPath;
  if (!isModelName(wanted)) {
    throw new AfterimageError(
      'MODEL_NOT_FOUND',
      `There is no model folder "${asPath}"; pass --model with the folder of a downloaded checkpoint.`,
    );
  }
  const copies = copiesOf(wanted);
  const complete = copies.find(({ folder }) => isComplete(folder));
  if (complete) return complete.folder;
  throw new AfterimageError(
    'MODEL_NOT_FOUND',
    copies[0]
      ? `Model "${wanted}" is only partly there (${copies[0].folder}); complete it with \`afterimage pull ${wanted}\`.`
      : `Model "${wanted}" is in none of ${modelPlaces()
          .map(({ root }) => root)
          .join(', ')}; download it with \`afterimage pull ${wanted}\`.`,
  );
}

/** A name for people: `org/name` of a downloaded checkpoint, else the folder's own name. */
export function modelName(folder: string): string {
  return nameInPlace(folder) ?? (isBundled(folder) ? STARTER : basename(folder));
}
