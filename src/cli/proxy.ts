// afterimage proxy
import { defaultTokenFile, readTokens } from '../mcp/token.js';
import { createApp } from '../mcp/app.js';
import { AfterimageError } from '../errors.js';
import { keptDescriptions, type Keeping } from '../http/proxy/described.js';
import { openProxy, type ProxyOptions } from '../http/proxy/proxy.js';
import { openShelf, picturesFolder } from './open-reader.js';
import type { Options } from './options.js';
import { appOptions, openEyes } from './serve.js';
import { usage } from './told.js';

const DEFAULT_PORT = 8788;

/** Passes requests on until a signal stops it. */
export async function proxy(options: Options, signal: AbortSignal): Promise<void> {
  const upstream = options.text('upstream');
  if (upstream === undefined) throw usage('afterimage proxy --upstream URL');
  const port = options.number('port', 0, true, 65535) ?? DEFAULT_PORT;
  const elsewhere = await guarded(options);
  const app = createApp({
    ...appOptions(options, await openEyes(options)),
    // A picture is asked about once here; what was seen of it stays cached all the same.
    conversations: { live: 0 },
  });
  try {
    const { url, close } = await openProxy(app, { upstream, port, elsewhere, keeping: keeping(options) });
    process.stderr.write(
      `Afterimage looks at pictures on ${url} and passes the rest on to ${new URL(upstream).host}\n`,
    );
    if (options.flag('preload')) app.preload();
    if (!signal.aborted) await new Promise((stop) => signal.addEventListener('abort', stop, { once: true }));
    await close();
  } finally {
    await app.close();
  }
}

/** Beyond this machine only for those who know a token. */
async function guarded(options: Options): Promise<ProxyOptions['elsewhere']> {
  const host = options.text('host');
  if (host === undefined) {
    if (!options.given('token-file')) return undefined;
    throw new AfterimageError('INVALID_ARGUMENT', '--token-file goes with --host ADDRESS; add it.');
  }
  const file = options.text('token-file') ?? defaultTokenFile();
  const tokens = await readTokens(file);
  process.stderr.write(`Clients send "X-Afterimage-Token: TOKEN"; the token is in ${file}\n`);
  return { host, tokens };
}

function keeping(options: Options): Keeping | undefined {
  const shelf = openShelf(options);
  return shelf && { shelf, descriptions: keptDescriptions(picturesFolder(options)) };
}
