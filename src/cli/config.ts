// afterimage config CLIENT: what the client needs to start this server, printed or, with --write, put where it belongs.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { absolute } from '../mcp/app.js';
import { AfterimageError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { CLIENTS, client, deadlineFor, type Client, type ClientName } from './clients/clients.js';
import { snippet, write } from './clients/configuration.js';
import { pictureFolders } from './clients/folders.js';
import { launch } from './clients/launch.js';
import { writeJson } from './json-line.js';
import { nearest } from './nearest.js';
import { checkSharing } from './open-engine.js';
import { usage } from './told.js';
import type { OptionName, Options } from './options.js';

const PATHS = new Set<OptionName>(['engine-key-file', 'allow', 'socket', 'cache-dir', 'reader']);
/** For agents that know skills: `When you cannot see, use this`. */
const SKILL = join(packageRoot(), 'skills', 'afterimage');
/** Options of this command itself, which the client does not pass on. */
const OWN = new Set<OptionName>(['write', 'pasted', 'file', 'json']);

export async function config(options: Options): Promise<void> {
  const [name] = options.positionals;
  if (name === undefined) throw usage(`afterimage config ${CLIENTS.join('|')}`);
  if (!CLIENTS.includes(name as ClientName)) {
    const meant = nearest(name, CLIENTS);
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `There is no client "${name}"; ${meant ? `did you mean ${meant}?` : `there are ${CLIENTS.join(', ')}.`}`,
    );
  }
  checkSharing(options);
  const chosen = client(name as ClientName);
  const start = launch([...defaults(chosen, options), ...given(options)]);
  const file = options.text('file') ?? chosen.file;
  process.stderr.write(`A skill tells an agent when to use it: give it the folder ${SKILL}\n`);
  const json = options.flag('json');
  if (!options.flag('write')) {
    if (json) return writeJson({ client: name, file, snippet: snippet(chosen, start) });
    process.stderr.write(`${chosen.title}: ${file} (--write puts it there)\n`);
    process.stdout.write(`${snippet(chosen, start)}\n`);
    return;
  }
  const { backup, changed } = write(chosen, start, absolute(file));
  if (json) return writeJson({ client: name, file, changed, ...(backup !== undefined && { backup }) });
  const kept = backup === undefined ? '' : `; what was there before is kept as ${backup}`;
  process.stdout.write(
    changed ? `${file} written${kept}. Restart ${chosen.title}.\n` : `${file} already says this.\n`,
  );
}

/** What this client needs unless something else is asked for: folders with pictures, its deadline, an early start. */
function defaults(chosen: Client, options: Options): string[] {
  const folders = options.given('allow') ? [] : pictureFolders(chosen, options.flag('pasted'));
  return [
    ...folders.flatMap((folder) => ['--allow', folder]),
    ...(options.given('deadline-ms') ? [] : ['--deadline-ms', String(deadlineFor(chosen))]),
    ...(options.given('preload') ? [] : ['--preload']),
  ];
}

/** What was given, as the client will pass it on: it starts the server in a folder of its own, so paths are whole. */
function given(options: Options): string[] {
  const names = options.names().filter((name) => !OWN.has(name));
  return names.flatMap((name) => {
    if (options.flag(name)) return [`--${name}`];
    const values = name === 'allow' || name === 'engine' ? options.list(name) : [options.text(name)!];
    const isPath = PATHS.has(name) || (name === 'model' && existsSync(absolute(values[0]!)));
    return values.flatMap((value) => [`--${name}`, isPath ? absolute(value) : value]);
  });
}
