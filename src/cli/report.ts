// afterimage cache
import { AfterimageError } from '../errors.js';
import { writeJson } from './json-line.js';
import { clearKept, keptFiles, type KeptFile, type KeptFolders } from './kept.js';
import { nativeReady } from './native-ready.js';
import { cacheFolder } from './open-engine.js';
import { picturesFolder, readingsFolder } from './open-reader.js';
import type { Options } from './options.js';

/** `afterimage cache list|clear` */
export async function cache(options: Options): Promise<void> {
  const [action = 'list'] = options.positionals;
  if (action !== 'list' && action !== 'clear')
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected list or clear but received "${action}"; see afterimage cache --help.`,
    );
  await nativeReady();
  const folders = {
    prefixes: cacheFolder(options),
    readings: readingsFolder(options),
    pictures: picturesFolder(options),
  };
  const json = options.flag('json');
  if (action === 'clear') {
    const removed = await clearKept(folders);
    const where = `${folders.prefixes}, ${folders.readings} and ${folders.pictures}`;
    if (json) writeJson({ removed, folders });
    else process.stdout.write(`Removed ${removed} files from ${where}\n`);
    return;
  }
  const files = await keptFiles(folders);
  if (json) writeJson({ files, folders });
  else process.stdout.write(`${keptTable(files, folders, Date.now() / 1000)}\n`);
}

/** A row for each file: size, age, model, picture; then what each folder holds. @param now Seconds since 1970. */
export function keptTable(
  files: KeptFile[],
  { prefixes, readings, pictures }: KeptFolders,
  now: number,
): string {
  const widest = Math.max(0, ...files.map(({ model }) => model.length));
  const rows = files.map(
    ({ bytes, used_at, model, image, file }) =>
      `${megabytes(bytes).padStart(9)} MB  ${age(now - used_at).padStart(6)} ago  ${model.padEnd(widest)}  ${pictureOf(image) ?? file}`,
  );
  const total = (kind: KeptFile['kind'], what: string, folder: string) => {
    const these = files.filter((file) => file.kind === kind);
    return `${these.length} ${what} (${megabytes(these.reduce((all, { bytes }) => all + bytes, 0))} MB) in ${folder}`;
  };
  return [
    ...rows,
    total('prefix', 'prefixes', prefixes),
    total('reading', 'readings', readings),
    total('picture', 'pictures', pictures),
    total('description', 'descriptions', pictures),
  ].join('\n');
}

/** "login.png, 448 × 256, img_…": the last is what agents and resources call it. */
function pictureOf(image: KeptFile['image']): string | undefined {
  if (image === undefined) return undefined;
  const { name, width, height, image_id } = image;
  return [...(name === undefined ? [] : [name]), `${width} × ${height}`, image_id].join(', ');
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function age(seconds: number): string {
  if (seconds < 3600) return `${Math.max(0, Math.floor(seconds / 60))} min`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
}
