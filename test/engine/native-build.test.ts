// An installation without a package for its platform: the server is there at once, the engine is built behind it, and
// calls say how far that is. The compiler is played by a script that hands out the addon which is built already.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { missing } from '../../src/engine/native.js';
import { buildFolder, howFar } from '../../src/engine/native-build.js';

const ROOT = join(import.meta.dirname, '..', '..');
const ADDON = join(ROOT, 'build', 'Release', 'afterimage.node');
const PICTURE = join(ROOT, 'models', 'starter', 'examples', 'login.png');
/** A busy machine may be slower than any client. */
const PATIENT = { timeout: 600_000 };
const scratch = mkdtempSync(join(tmpdir(), 'afterimage-build-'));
const installation = join(scratch, 'afterimage-mcp');
const MAIN = join(installation, 'dist', 'src', 'main.js');

/** What the package has, without the addon. */
before(() => {
  mkdirSync(installation);
  for (const part of ['dist', 'package.json', 'mcp.json'])
    cpSync(join(ROOT, part), join(installation, part), { recursive: true });
  for (const part of ['node_modules', 'models']) symlinkSync(join(ROOT, part), join(installation, part));
  mkdirSync(join(installation, 'native'));
  for (const part of ['build.mjs', 'build-into.mjs', 'toolchain.mjs'])
    cpSync(join(ROOT, 'native', part), join(installation, 'native', part));
});

after(() => rmSync(scratch, { recursive: true, force: true }));

/** A folder of programs: node, sh and, where a script is given, a cmake of ours and a c++. */
function programs(name: string, cmake?: string): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  symlinkSync(process.execPath, join(folder, 'node'));
  for (const tool of ['sh', 'cp', 'mkdir', 'sleep', 'cat']) symlinkSync(`/bin/${tool}`, join(folder, tool));
  if (cmake === undefined) return folder;
  for (const [tool, text] of [
    ['cmake', cmake],
    ['c++', 'exit 0'],
  ]) {
    writeFileSync(join(folder, tool!), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, tool!), 0o755);
  }
  return folder;
}

/** Waits at its second part of four until the file `go` is there. */
function slowCompiler(home: string): string {
  return `
case $1 in
  --version) exit 0 ;;
  -S) echo configured >> "${home}/configured"; exit 0 ;;
esac
echo '[1/4] one'; echo '[2/4] two'
while [ ! -e "${home}/go" ]; do sleep 0.1; done
mkdir -p "$2/Release" && cp "${ADDON}" "$2/Release/afterimage.node"`;
}

function environment(home: string, path: string): Record<string, string> {
  mkdirSync(home, { recursive: true });
  return { PATH: path, HOME: home, XDG_CACHE_HOME: join(home, 'cache') };
}

async function server(env: Record<string, string>): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [MAIN, 'mcp', '--allow', join(ROOT, 'models', 'starter', 'examples')],
      env,
      stderr: 'ignore',
    }),
  );
  return client;
}

async function look(client: Client): Promise<{ isError: boolean; text: string }> {
  const result = await client.callTool(
    { name: 'describe_image', arguments: { image: PICTURE } },
    undefined,
    PATIENT,
  );
  const [{ text }] = result.content as [{ text: string }];
  return { isError: result.isError === true, text };
}

test('two servers build once, list their tools meanwhile, say how far it is, and answer when it is done', async () => {
  const home = join(scratch, 'home');
  const env = environment(home, programs('compiler', slowCompiler(home)));
  const clients = await Promise.all([server(env), server(env)]);
  try {
    assert.equal((await clients[0]!.listTools()).tools.length, 4);
    for (const said of await Promise.all(clients.map(look))) {
      assert.ok(said.isError);
      assert.match(said.text, /^NATIVE_BUILDING: .*50 % done, about \d+ s left; ask again in \d+ s\./);
    }
    writeFileSync(join(home, 'go'), '');
    for (const said of await Promise.all(clients.map(look))) assert.match(said.text, /Email/);
    assert.equal(readFileSync(join(home, 'configured'), 'utf8'), 'configured\n');
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
});

function describePicture(env: Record<string, string>): Promise<{ code: number | null; stderr: string }> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [MAIN, 'describe', PICTURE], { env });
    let stderr = '';
    child.stderr.on('data', (data) => (stderr += data));
    child.once('error', fail);
    child.once('close', (code) => done({ code, stderr }));
  });
}

test('without a compiler, the sentence says what to install, and a later call finds it', async () => {
  const home = join(scratch, 'bare-home');
  const { code, stderr } = await describePicture(environment(home, programs('bare')));
  assert.equal(code, 2);
  assert.match(
    stderr,
    /needs CMake and a C\+\+20 compiler\. Install .*`node native\/build\.mjs` in .*\[NATIVE_MISSING\]/s,
  );
  writeFileSync(join(home, 'go'), '');
  const found = await describePicture(environment(home, programs('late', slowCompiler(home))));
  assert.equal(found.code, 0, found.stderr);
});

test('what the compiler said is kept where the error says', async () => {
  const home = join(scratch, 'broken-home');
  const compiler = 'case $1 in --version) exit 0 ;; esac; echo "no such header" >&2; exit 3';
  const env = environment(home, programs('broken', compiler));
  const { code, stderr } = await describePicture(env);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /did not build: `cmake` ended with 3\..*build\.log; build it with `node native\/build\.mjs`/s,
  );
  const log = join(buildFolder(env), 'build.log');
  assert.ok(existsSync(log) && readFileSync(log, 'utf8').includes('no such header'));
});

test('musl is refused by name, and nothing is built for it', () => {
  const build = () => assert.fail('nothing to build');
  const { code, message } = missing(['a-package: it is not there'], build, 'musl');
  assert.equal(code, 'NATIVE_MISSING');
  assert.match(message, /needs glibc and this system has musl .*use an image with glibc/);
});

test('how far a build is, and when to ask again', () => {
  const at = (done: number, total: number) =>
    howFar({ state: 'building', pid: 1, startedAt: 0, done, total }, 60_000);
  assert.match(at(0, 80), /just begun; ask again in 10 s/);
  assert.match(at(20, 80), /^25 % done, about 180 s left; ask again in 120 s$/);
  assert.match(at(79, 80), /^98 % done, about 1 s left; ask again in 10 s$/);
});
