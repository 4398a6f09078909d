// afterimage mcp, afterimage config
import { CLIENTS, clientConfig, type ClientName } from '../mcp/client-config.js';
import { runHttp } from '../mcp/http.js';
import { runStdio } from '../mcp/stdio.js';
import { AfterimageError } from '../errors.js';
import { imageLimits, openEngine } from './open-engine.js';
import type { Options } from './options.js';

export async function mcp(options: Options): Promise<void> {
  const app = {
    engine: openEngine(options),
    allow: options.list('allow'),
    limits: imageLimits(options),
    allowUrls: options.flag('allow-urls'),
    deadlineMs: options.number('deadline-ms', 100),
    preload: options.flag('preload'),
    log: { level: options.flag('verbose') ? ('debug' as const) : ('warn' as const) },
  };
  const port = options.number('http', 0);
  await (port === undefined
    ? runStdio(app)
    : runHttp({ ...app, port, tokenFile: options.text('token-file') }));
}

export async function config(options: Options): Promise<void> {
  const [client] = options.positionals;
  if (!CLIENTS.includes(client as ClientName)) {
    throw new AfterimageError(
      'INVALID_ARGUMENT',
      `Expected: afterimage config ${CLIENTS.join('|')}, but received "${client ?? ''}".`,
    );
  }
  const { file, snippet } = clientConfig(client as ClientName, {
    allow: options.list('allow'),
    model: options.text('model'),
  });
  process.stderr.write(`${file}\n`);
  process.stdout.write(`${snippet.trimEnd()}\n`);
}
