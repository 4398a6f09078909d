// Finds the folder of a checkpoint: a path, the bundled starter model, or one downloaded before (by `afterimage pull`
// or by Hugging Face's own tools).
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve, sep } from 'node:path';
import { AfterimageError } from '../errors.js';
import { packageRoot } from '../package-root.js';

export function starterFolder(): string {
  return join(packageRoot(), 'models', 'starter');
}

export function isBundled(folder: string): boolean {
  return folder === starterFolder();
}

/** Where `afterimage pull` puts checkpoints. */
export function modelsFolder(): string {
  return (
    process.env['AFTERIMAGE_MODELS'] ||
    join(process.env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'afterimage', 'models')
  );
}

function hubFolder(): string {
  return (
    process.env['HF_HUB_CACHE'] ||
    join(process.env['HF_HOME'] || join(homedir(), '.cache', 'huggingface'), 'hub')
  );
}

/**
 * @param reference Folder, or `org/name` of a downloaded checkpoint; absent: $AFTERIMAGE_MODEL, else the starter model.
 * @throws AfterimageError MODEL_NOT_FOUND with the places that were tried.
 */
export function findModel(reference?: string): string {
  const wanted = reference ?? process.env['AFTERIMAGE_MODEL'];
  if (wanted === undefined || wanted === '') return starterFolder();
  const asPath = resolve(wanted.replace(/^~(?=\/|$)/, homedir()));
  if (existsSync(asPath)) return asPath;
  if (!/^[\w.-]+\/[\w.-]+$/.test(wanted)) {
    throw new AfterimageError(
      'MODEL_NOT_FOUND',
      `There is no model folder "${asPath}"; pass --model with the folder of a downloaded checkpoint.`,
    );
  }
  const pulled = join(modelsFolder(), wanted);
  if (existsSync(join(pulled, 'config.json'))) return pulled;
  const snapshot = hubSnapshot(wanted);
  if (snapshot) return snapshot;
  throw new AfterimageError(
    'MODEL_NOT_FOUND',
    `Model "${wanted}" is neither in ${modelsFolder()} nor in ${hubFolder()}; download it with \`afterimage pull ${wanted}\`.`,
  );
}

/** The snapshot that refs/main names, else the newest one, of Hugging Face's cache layout. */
function hubSnapshot(name: string): string | undefined {
  const folder = join(hubFolder(), `models--${name.replace('/', '--')}`);
  const snapshots = join(folder, 'snapshots');
  if (!existsSync(snapshots)) return undefined;
  const main = join(folder, 'refs', 'main');
  const preferred = existsSync(main) ? join(snapshots, readFileSync(main, 'utf8').trim()) : undefined;
  const complete = (path: string): boolean => existsSync(join(path, 'config.json'));
  if (preferred && complete(preferred)) return preferred;
  return readdirSync(snapshots)
    .map((revision) => join(snapshots, revision))
    .filter(complete)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

/** A name for people: `org/name` of a downloaded checkpoint, else the folder's own name. */
export function modelName(folder: string): string {
  const hub = /models--([^/]+?)--([^/]+)\/snapshots\//.exec(folder);
  if (hub) return `${hub[1]}/${hub[2]}`;
  const pulled = modelsFolder();
  if (folder.startsWith(pulled + sep)) return folder.slice(pulled.length + 1);
  return isBundled(folder) ? 'afterimage-starter' : basename(folder);
}
