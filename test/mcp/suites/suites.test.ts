// The protocol suites of others against our server factory: conformance for both eras, the inspector's schema check,
// the bundle validator. `npm ci --ignore-scripts` in this folder installs them.
import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { script } from '../../built.js';
import { ROOT, serveArguments } from '../clients.js';
import { scratchFolder } from '../../scratch-folder.js';

const HERE = new URL('.', import.meta.url).pathname;
const MODULES = join(HERE, 'node_modules');
const SCRATCH = scratchFolder('suites');
/** The 2026-07-28 suite needs Node 22. */
const NODE_22 = join(MODULES, `node-${process.platform}-${process.arch}`, 'bin', 'node');
const EXPECTED = join(HERE, 'expected-failures.yml');
const EXPECTED_OLD = join(HERE, 'expected-failures-0.1.yml');

let server: ChildProcess;
let url: string;

before(async () => {
  assert.ok(existsSync(MODULES), `Install the suites first: npm ci --ignore-scripts --prefix ${HERE}`);
  server = spawn(process.execPath, script(import.meta.url, '../conformance-server.ts'), {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  [url] = (await once(createInterface({ input: server.stderr! }), 'line')) as [string];
});

after(() => server?.kill());

interface Finished {
  code: number;
  output: string;
}

function run(node: string, args: string[], cwd = SCRATCH): Promise<Finished> {
  // HOME: the inspector keeps a catalog there.
  const options = { cwd, env: { ...process.env, HOME: SCRATCH }, maxBuffer: 2 ** 26 };
  return new Promise((resolve) => {
    execFile(node, args, options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr });
    });
  });
}

function summary({ output }: Finished): string {
  return output.slice(Math.max(0, output.indexOf('=== SUMMARY ===')));
}

test('conformance 0.1.13: every scenario of 2025-11-25', async () => {
  const suite = join(MODULES, 'conformance-2025/dist/index.js');
  const result = await run(process.execPath, [
    suite,
    'server',
    '--url',
    url,
    '--suite',
    'all',
    '--expected-failures',
    EXPECTED_OLD,
  ]);
  assert.equal(result.code, 0, summary(result));
});

for (const [revision, options] of [
  ['2025-11-25', ['--expected-failures', EXPECTED]],
  ['2026-07-28', []],
] as const) {
  test(`conformance 0.2.0: what ${revision} requires`, async (context) => {
    if (!existsSync(NODE_22))
      return context.skip(`no Node 22 for ${process.platform}-${process.arch} among the suites`);
    const suite = join(MODULES, 'conformance-2026/dist/index.js');
    const result = await run(NODE_22, [
      suite,
      'server',
      '--url',
      url,
      '--requirements',
      revision,
      ...options,
    ]);
    assert.equal(result.code, 0, summary(result));
    assert.match(result.output, /Total: \d+ passed/);
  });
}

test('inspector --cli --strict finds nothing in the tool schemas', async () => {
  const launcher = join(MODULES, '@modelcontextprotocol/inspector/clients/launcher/build/index.js');
  const target = [
    '--cwd',
    ROOT,
    '--method',
    'tools/list',
    '--strict',
    '--',
    process.execPath,
    ...serveArguments('stdio', {}),
  ];
  const { code, output } = await run(process.execPath, [launcher, '--cli', ...target]);
  assert.equal(code, 0, output);
  const { tools } = JSON.parse(output) as { tools: { name: string }[] };
  assert.equal(tools.length, 4, 'a finding would have been printed beside the tools');
});

test('the bundle manifest is valid and says what the server offers', async () => {
  const manifest = join(ROOT, 'bundle/manifest.json');
  const { code, output } = await run(process.execPath, [
    join(MODULES, '@anthropic-ai/mcpb/dist/cli/cli.js'),
    'validate',
    manifest,
  ]);
  assert.equal(code, 0, output);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  assert.equal(
    version,
    (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version,
  );
});
