// MCP over stdin and stdout. From here on stdout carries protocol messages and nothing else.
import { Writable } from 'node:stream';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { endSoon, stopSignals } from '../exit.js';
import { createApp, LONGEST_MESSAGE, type App, type AppOptions } from './app.js';
import { WholeLines } from './lines.js';
import { unquoted } from './log.js';
import { createServer } from './server.js';

/** Serves one client until it closes stdin or stdout, or until a signal asks to stop. */
export async function runStdio(options: AppOptions): Promise<void> {
  const protocol = claimStdout();
  const app = createApp(options);
  const stopped = stopRequested(protocol);
  const served = serveStdio(({ era }) => createServer(app, { era }), {
    transport: new StdioServerTransport(process.stdin.pipe(lines(protocol, app)), protocol, {
      maxBufferSize: LONGEST_MESSAGE,
    }),
    onerror: (error) => app.log.warn(unquoted(error), 'protocol error'),
  });
  if (options.preload) app.preload();
  app.log.info({ reason: await stopped }, 'stopping');
  endSoon(0);
  await served.close();
  await app.close();
  // A client that stopped reading may keep our stdin open, which would keep this process.
  process.stdin.destroy();
}

/**
 * The only way to the real stdout. Everything else that writes to process.stdout (console.log in a dependency) lands
 * on stderr, where it cannot damage the protocol.
 */
function claimStdout(): Writable {
  const write = process.stdout.write.bind(process.stdout);
  const protocol = new Writable({
    decodeStrings: false,
    write: (chunk: string | Buffer, _encoding, done) => void write(chunk, (error) => done(error)),
  });
  process.stdout.on('error', (error) => protocol.destroy(error));
  process.stdout.write = process.stderr.write.bind(process.stderr);
  return protocol;
}

function lines(protocol: Writable, app: App): WholeLines {
  return new WholeLines(LONGEST_MESSAGE, () => {
    const message = `A message may have at most ${LONGEST_MESSAGE} bytes. Pass the path of an image instead of its data.`;
    app.log.warn(message);
    // The id is somewhere in what was left out; JSON-RPC asks for null then.
    protocol.write(`${JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32600, message } })}\n`);
  });
}

/** Resolves with the reason when the client has gone or a signal arrives. */
function stopRequested(protocol: Writable): Promise<string> {
  return new Promise((resolve) => {
    for (const event of ['end', 'close', 'error']) process.stdin.once(event, () => resolve(`stdin ${event}`));
    for (const event of ['error', 'close']) protocol.once(event, () => resolve(`stdout ${event}`));
    for (const signal of stopSignals()) process.once(signal, () => resolve(signal));
  });
}
