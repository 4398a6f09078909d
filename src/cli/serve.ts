// afterimage mcp, afterimage serve
import { runHttp } from '../mcp/http.js';
import { runStdio } from '../mcp/stdio.js';
import { AfterimageError } from '../errors.js';
import type { Engine } from '../engine/engine.js';
import { UnavailableEngine } from '../engine/unavailable-engine.js';
import { LocalEngine } from '../engine/local-engine.js';
import { serveEngine } from '../engine/remote/engine-server.js';
import { createLog } from '../mcp/log.js';
import { nativeReady } from './native-ready.js';
import { engineOptions, imageLimits, openEngine, socketOf } from './open-engine.js';
import { openElementReader, openReader } from './open-reader.js';
import type { Options } from './options.js';

export async function mcp(options: Options): Promise<void> {
  const app = {
    engine: availableEngine(options),
    reader: openReader(options),
    elements: openElementReader(options),
    allow: options.list('allow'),
    limits: imageLimits(options),
    allowUrls: options.flag('allow-urls'),
    allowClipboard: options.flag('allow-clipboard'),
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
  await nativeReady(signal);
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
