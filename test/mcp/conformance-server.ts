// The server factory as it is, plus the suite's fixtures, on a port the suite can reach without a token.
// node --import tsx test/mcp/conformance-server.ts PORT
import { createApp } from '../../src/mcp/app.js';
import { listen } from '../../src/mcp/http.js';
import { createServer } from '../../src/mcp/server.js';
import { registerFixtures, stateCodec } from './conformance-fixtures.js';
import { ScriptedEngine } from './scripted-engine.js';
import { ScriptedReader } from './scripted-reader.js';

const app = createApp({ engine: new ScriptedEngine(), reader: new ScriptedReader() });
const listening = await listen(
  ({ era }) => {
    const server = createServer(app, { era, requestState: { verify: stateCodec.verify } });
    // Our server neither logs to its client nor lets it subscribe; the fixtures need both declared.
    server.server.registerCapabilities({ logging: {} });
    registerFixtures(server, era);
    return server;
  },
  { port: Number(process.argv[2] ?? 0), log: app.log },
);
process.stderr.write(`${listening.url}\n`);
