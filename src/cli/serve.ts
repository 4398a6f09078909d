// afterimage mcp, afterimage serve
import { runHttp } from '../mcp/http.js';
import { runStdio } from '../mcp/stdio.js';
import { AfterimageError } from '../errors.js';
import type { Engine } from '../engine/engine.js';
import { UnavailableEngine } from '../engine/unavailable-engine.js';
import { serveEngine } from '../engine/remote/engine-server.js';
import { openDoor, DOOR_IMAGE_BYTES, type DoorOptions } from '../http/door.js';
import { OneModel, type Models } from '../engine/models.js';
import { modelsService } from '../engine/remote/lent-models.js';
import { createApp, type AppOptions } from '../mcp/app.js';
import type { Listening } from '../mcp/http.js';
import { createLog, unquoted } from '../mcp/log.js';
import { defaultTokenFile, readTokens } from '../mcp/token.js';
import type { Reader } from '../reading/reading.js';
import { readingService } from '../reading/shared-reader.js';
import { nativeReady } from './native-ready.js';
import {
  checkElsewhere,
  checkSharing,
  imageLimits,
  isHere,
  openEngine,
  openModels,
  socketOf,
} from './open-engine.js';
import { openElementReader, openReader, openShelf } from './open-reader.js';
import { OPTIONS_OF_THE_ENGINE, type Options } from './options.js';

/** Nobody types this protocol. */
const ON_A_TERMINAL =
  'This is for an MCP client, which starts it itself: `afterimage config CLIENT` prints how. Ctrl-C ends it.\n';

export async function mcp(options: Options): Promise<void> {
  const app = appOptions(options, await openEyes(options));
  const port = options.number('http', 0, true, 65535);
  if (port === undefined && process.stdin.isTTY) process.stderr.write(ON_A_TERMINAL);
  await (port === undefined
    ? runStdio(app)
    : runHttp({ ...app, port, tokenFile: options.text('token-file') }));
}

/** What looks and what reads. */
export interface Eyes {
  engine: Engine;
  models: Models;
  reader: Reader;
}

export function appOptions(options: Options, { engine, models, reader }: Eyes): AppOptions {
  return {
    engine,
    models,
    reader,
    elements: openElementReader(options),
    shelf: openShelf(options),
    allow: options.list('allow'),
    limits: imageLimits(options),
    allowUrls: options.flag('allow-urls'),
    allowClipboard: options.flag('allow-clipboard'),
    deadlineMs: options.number('deadline-ms', 100),
    preload: options.flag('preload'),
    log: { level: options.flag('verbose') ? 'debug' : 'warn' },
  };
}

/** A client shows why a call failed, but not why a server did not start: a model that is not there is told by each call. */
export async function openEyes(options: Options): Promise<Eyes> {
  checkSharing(options);
  const reader = await openReader(options);
  try {
    return { ...(await enginesOf(options)), reader };
  } catch (error) {
    if (!(error instanceof AfterimageError) || error.code !== 'MODEL_NOT_FOUND') throw error;
    process.stderr.write(`${error.message} [${error.code}]\n`);
    const engine = new UnavailableEngine(error);
    return { engine, models: new OneModel(engine), reader };
  }
}

/** Models that are loaded here are all that are installed; elsewhere it is one. @throws AfterimageError as `openEngine` */
async function enginesOf(options: Options): Promise<Pick<Eyes, 'engine' | 'models'>> {
  if (isHere(options)) {
    const models = openModels(options);
    return { engine: models.usual, models };
  }
  const engine = await openEngine(options);
  return { engine, models: new OneModel(engine) };
}

/** One engine and one text reader for all programs of a user, until a signal stops them. */
export async function serve(options: Options, signal: AbortSignal): Promise<void> {
  const port = options.number('http', 0, true, 65535);
  if (port === undefined) checkWithoutDoor(options);
  checkElsewhere(options);
  const here = isHere(options);
  if (here) await nativeReady(signal);
  const { engine, models } = await enginesOf(options);
  const log = createLog({ level: options.flag('verbose') ? 'debug' : 'warn' });
  const reader = await openReader(options);
  const open: { close(): Promise<void> }[] = [];
  signal.addEventListener('abort', () => void engine.close(), { once: true });
  try {
    // The door before the socket: a token file that cannot be used is told before anything is shared.
    const door =
      port === undefined ? undefined : await doorOf(options, { engine, models, reader }, port, open);
    const path = here ? socketOf(options) : undefined;
    const onError = (error: Error): void => log.warn(unquoted(error), 'connection');
    if (path)
      open.push(
        await serveEngine(engine, path, onError, {}, [readingService(reader), modelsService(models)]),
      );
    const { name, backend } = await engine.ready();
    if (path)
      process.stderr.write(
        `Afterimage keeps ${name} (${backend}) resident on ${path}; use it with --remote\n`,
      );
    if (door) process.stderr.write(`Afterimage answers for ${name} on ${door.url}/v1\n`);
    if (!signal.aborted) await new Promise((stop) => signal.addEventListener('abort', stop, { once: true }));
  } finally {
    log.info({ cache: engine.status().cache }, 'cache');
    for (const one of open.reverse()) await one.close();
    await Promise.all([engine.close(), reader.close()]);
  }
}

/** What only the door heeds. @throws AfterimageError INVALID_ARGUMENT */
function checkWithoutDoor(options: Options): void {
  const stray = options
    .names()
    .find((name) => ![...OPTIONS_OF_THE_ENGINE, 'socket', 'verbose', 'help'].includes(name));
  if (!stray) return;
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `--${stray} goes with --http PORT, which opens the door that it is for; add it.`,
  );
}

async function doorOf(
  options: Options,
  eyes: Eyes,
  port: number,
  open: { close(): Promise<void> }[],
): Promise<Listening> {
  const tokenFile = options.text('token-file') ?? defaultTokenFile();
  const tokens = await readTokens(tokenFile);
  const app = createApp(appOptions(options, eyes));
  open.push(app);
  const settings: DoorOptions = {
    port,
    tokens,
    models: eyes.models,
    mostImages: options.number('max-images', 1, true, 64),
    imageBytes: options.number('max-bytes', 1) ?? DOOR_IMAGE_BYTES,
    downloads: isHere(options),
  };
  const door = await openDoor(app, settings);
  open.push(door);
  process.stderr.write(`Afterimage listens on ${door.url}; the bearer token is in ${tokenFile}\n`);
  // A link that signs in is for who sits here, not for what keeps logs.
  const page = process.stderr.isTTY ? `${door.link()} (signs in once)` : `${door.url}/`;
  process.stderr.write(`A page to look at: ${page}\n`);
  return door;
}
