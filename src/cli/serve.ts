// afterimage mcp, afterimage serve, afterimage config
import { existsSync } from 'node:fs';
import { CLIENTS, clientConfig, type ClientName } from '../mcp/client-config.js';
import { runHttp } from '../mcp/http.js';
import { absolute } from '../mcp/app.js';
import { runStdio } from '../mcp/stdio.js';
import { AfterimageError } from '../errors.js';
import type { Engine } from '../engine/engine.js';
import { UnavailableEngine } from '../engine/unavailable-engine.js';
import { LocalEngine } from '../engine/local-engine.js';
import { serveEngine } from '../engine/remote/engine-server.js';
import { createLog } from '../mcp/log.js';
import { checkSharing, engineOptions, imageLimits, openEngine, socketOf } from './open-engine.js';
import { openReader } from './open-reader.js';
import type { OptionName, Options } from './options.js';

const PATHS = new Set<OptionName>(['allow', 'socket', 'cache-dir']);

export async function mcp(options: Options): Promise<void> {
  const app = {
    engine: availableEngine(options),
    reader: openReader(options),
    allow: options.list('allow'),
    limits: imageLimits(options),
    allowUrls: options.flag('allow-urls'),
    deadlineMs: options.number('deadline-ms', 100),
    preload: options.flag('preload'),
    log: { level: options.flag('verbose') ? ('debug' as const) : ('warn' as const) },
  };
  const port = options.number('http', 0, true, 65535);
  await (port === undefined
    ? runStdio(app)
    : runHttp({ ...app, port, tokenFile: options.text('token-file') }));
}

/** A client shows why a call failed, but not why a server did not start: a model that is not there is told by each call. */
function availableEngine(options: Options): Engine {
  try {
    return openEngine(options);
  } catch (error) {
    if (!(error instanceof AfterimageError) || error.code !== 'MODEL_NOT_FOUND') throw error;
    process.stderr.write(`${error.message} [${error.code}]\n`);
    return new UnavailableEngine(error);
  }
}

/** One engine for all programs of a user, until a signal stops it. */
export async function serve(options: Options, signal: AbortSignal): Promise<void> {
  const path = socketOf(options);
  const log = createLog({ level: options.flag('verbose') ? 'debug' : 'warn' });
  const engine = new LocalEngine(engineOptions(options));
  signal.addEventListener('abort', () => void engine.close(), { once: true });
  try {
    const server = await serveEngine(engine, path, (error) =>
      log.warn({ error: error.message }, 'connection'),
    );
    try {
      const { name, backend } = await engine.ready();
      process.stderr.write(
        `Afterimage keeps ${name} (${backend}) resident on ${path}; use it with --remote\n`,
      );
      if (!signal.aborted)
        await new Promise((stop) => signal.addEventListener('abort', stop, { once: true }));
    } finally {
      await server.close();
    }
  } finally {
    log.info({ cache: engine.status().cache }, 'cache');
    await engine.close();
  }
}

export async function config(options: Options): Promise<void> {
  const [client] = options.positionals;
  if (!CLIENTS.includes(client as ClientName)) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected: afterimage config ${CLIENTS.join('|')}, but received "${client ?? ''}".`,
    );
  }
  checkSharing(options);
  const { file, snippet } = clientConfig(client as ClientName, { flags: serverFlags(options) });
  process.stderr.write(`${file}\n`);
  process.stdout.write(`${snippet.trimEnd()}\n`);
}

/** What was given, as the client will pass it on: it starts the server in a folder of its own, so paths are whole. */
function serverFlags(options: Options): string[] {
  return options.names().flatMap((name) => {
    if (options.flag(name)) return [`--${name}`];
    const values = name === 'allow' ? options.list(name) : [options.text(name)!];
    const isPath = PATHS.has(name) || (name === 'model' && existsSync(absolute(values[0]!)));
    return values.flatMap((value) => [`--${name}`, isPath ? absolute(value) : value]);
  });
}
