// What `npm run package` made, installed as a user would: by each npm, from a registry on loopback, into an empty prefix,
// with a PATH of node, sh and env. Nothing can be compiled there. `npm run test:install` prepares and runs it.
import assert from 'node:assert/strict';
import { execFile, execFileSync, type ExecFileOptions } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { startRegistry, type Registry } from './registry.js';

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, '../../..');
const PACKAGES = join(ROOT, 'build', 'packages');
const PICTURE = join(ROOT, 'models', 'starter', 'examples', 'login.png');
/** npm 12 runs on Node.js 22 and newer. */
const NODE_22 = join(HERE, 'node_modules', 'node22', 'bin', 'node');
const NPMS = { npm10: process.execPath, npm11: process.execPath, npm12: NODE_22 };

/** From `npm install` to the first answer, in seconds of the processor: those of the clock are longer beside other work. */
const MOST_SECONDS = 15;
/** What comes over the wire: 40 and, for pages of PDFs, 2. */
const MOST_MB = 43;
/** Tests of this project that are run with the installed program. Between them they load every package inside it. */
const DOORS = ['cli/serve', 'cli/proxy', 'cli/engine-elsewhere', 'cli/places-and-pages', 'http/clients'];

const scratch = mkdtempSync(join(tmpdir(), 'afterimage-install-'));
let registry: Registry;

before(async () => {
  const ours = existsSync(PACKAGES) ? tarballs(PACKAGES) : [];
  assert.ok(ours.length >= 2, `${PACKAGES} has no packages; run npm run package first.`);
  registry = await startRegistry([...ours, ...packedDependencies()]);
});

after(() => {
  registry?.close();
  rmSync(scratch, { recursive: true, force: true });
});

for (const [npm, node] of Object.entries(NPMS)) {
  const cli = (name: string) => join(HERE, 'node_modules', npm, 'bin', name);

  test(`${npm} install -g: the first answer in time`, async (t) => {
    const { installed, answered, megabytes, onDisk } = await installAndLook(npm, node, cli('npm-cli.js'));
    t.diagnostic(
      `${npm}: installed in ${shown(installed)}, answered after ${shown(answered)}; ${megabytes.toFixed(1)} MB fetched, ${onDisk} MB on disk`,
    );
    assert.ok(answered.processor <= MOST_SECONDS, shown(answered));
    assert.ok(megabytes <= MOST_MB, `${megabytes} MB`);
  });

  test(`${npm}: npx -y`, async () => {
    const env = environment(join(scratch, `${npm}-npx`), node);
    const args = [cli('npx-cli.js'), '-y', 'afterimage-mcp', 'describe', PICTURE];
    assert.match(await run(node, args, { env }), /Email/);
  });
}

test('the installed program serves, passes on and asks others as the one that was tested', async () => {
  const home = join(scratch, 'npm11');
  const program = join(installedFolder(home), 'dist', 'src', 'main.js');
  const files = DOORS.map((name) => join('test', `${name}.test.ts`));
  await run(process.execPath, ['--import', 'tsx', '--test', ...files], {
    cwd: ROOT,
    env: { ...withoutTests(process.env), AFTERIMAGE_PROGRAM: program, HOME: home },
  });
  for (const [client, form] of Object.entries({ codex: /^\[mcp_servers/, goose: /^extensions:/, zed: /^\{/ }))
    assert.match(await run(process.execPath, [program, 'config', client]), form);
});

test('what it brings to build its engine with is whole', () => {
  const native = join(installedFolder(join(scratch, 'npm11')), 'native');
  const files = readdirSync(native, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => /\.(cpp|h|mm|metal)$/.test(name))) {
    const text = readFileSync(join(native, file), 'utf8');
    for (const [, header] of text.matchAll(/^#include "([^"]+)"/gm))
      assert.ok(
        [native, dirname(join(native, file))].some((folder) => existsSync(join(folder, header!))),
        `${header} of ${file}`,
      );
  }
  for (const text of ['CMakeLists.txt', 'portable/CMakeLists.txt', 'metal/CMakeLists.txt', 'build.mjs'])
    assert.ok(files.includes(text));
});

test('what others wrote is there with its licence', () => {
  const folder = installedFolder(join(scratch, 'npm11'));
  const { dependencies } = jsonOf(join(ROOT, 'package.json'));
  const licences = readFileSync(join(folder, 'THIRD-PARTY.txt'), 'utf8');
  const inside = [...licences.matchAll(/^(?:\n*-{80}\n\n)?(\S+) \d+\.\d+\.\d+ \(.+\)$/gm)].map(
    ([, name]) => name,
  );
  const published = Object.keys(jsonOf(join(folder, 'package.json')).dependencies);
  // Of PDFium the script lies inside, and what it runs beside it.
  assert.deepEqual(
    [...new Set([...published, ...inside.filter((name) => name! in dependencies)])].sort(),
    Object.keys(dependencies).sort(),
  );
  assert.ok(inside.includes('bintrees'), 'packages of packages, too');
});

const installedFolder = (home: string) => join(home, 'lib', 'node_modules', 'afterimage-mcp');

/** A test runner tells its children that they are tests. */
function withoutTests(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => name !== 'NODE_TEST_CONTEXT'));
}

async function installAndLook(npm: string, node: string, cli: string) {
  const home = join(scratch, npm);
  const env = environment(home, node);
  registry.takeBytes();
  const install = await timed([node, cli, 'install', '-g', 'afterimage-mcp'], env);
  const look = await timed([join(home, 'bin', 'afterimage'), 'describe', PICTURE], env);
  assert.match(look.output, /Email/);
  const folder = installedFolder(home);
  assert.ok(!existsSync(join(folder, 'build')), 'nothing was compiled');
  const shipped = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  assert.ok(
    !shipped.some((file) => /^dist.*\.map$|windows\.sh$|metal.rig|native.(test|fuzz|bench)/.test(file)),
    'nothing for development',
  );
  const { mcpName, repository } = jsonOf(join(folder, 'package.json'));
  const server = jsonOf(join(folder, 'server.json'));
  assert.equal(server.name, mcpName);
  assert.equal(`git+${server.repository.url}.git`, repository.url);
  const onDisk = Number(execFileSync('du', ['-sm', folder], { encoding: 'utf8' }).split('\t')[0]);
  const answered = { clock: install.clock + look.clock, processor: install.processor + look.processor };
  return { installed: install, answered, megabytes: registry.takeBytes() / 1e6, onDisk };
}

interface Published {
  name: string;
  mcpName: string;
  dependencies: Record<string, string>;
  repository: { url: string };
}

const jsonOf = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Published;

interface Seconds {
  clock: number;
  /** User and system, of all its processes. */
  processor: number;
}

const shown = ({ clock, processor }: Seconds) =>
  `${clock.toFixed(1)} s (processor ${processor.toFixed(1)} s)`;

async function timed(command: string[], env: NodeJS.ProcessEnv): Promise<Seconds & { output: string }> {
  const times = join(scratch, 'times');
  const start = performance.now();
  const output = await run('/bin/sh', ['-c', '"$@" && times > "$0"', times, ...command], { env });
  const clock = (performance.now() - start) / 1000;
  const children = readFileSync(times, 'utf8').split('\n')[1]!;
  const parts = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(([, m, s]) => 60 * Number(m) + Number(s));
  return { output, clock, processor: parts[0]! + parts[1]! };
}

/** Nothing of this process: a home, a prefix and a cache of its own, the registry, and a PATH of three programs. */
function environment(home: string, node: string): NodeJS.ProcessEnv {
  const bare = join(home, 'programs');
  mkdirSync(bare, { recursive: true });
  symlinkSync(node, join(bare, 'node'));
  symlinkSync('/bin/sh', join(bare, 'sh'));
  symlinkSync('/usr/bin/env', join(bare, 'env'));
  return {
    PATH: bare,
    HOME: home,
    npm_config_registry: registry.url,
    npm_config_prefix: home,
    npm_config_cache: join(home, 'npm-cache'),
  };
}

function run(program: string, args: string[], options: ExecFileOptions = {}): Promise<string> {
  return new Promise((done, fail) => {
    execFile(program, args, { cwd: scratch, maxBuffer: 2 ** 26, ...options }, (error, stdout, stderr) => {
      if (error) fail(new Error(`${error.message}\n${stdout}${stderr}`));
      else done(String(stdout));
    });
  });
}

/** Production dependencies as they lie in node_modules, one tarball each. */
function packedDependencies(): string[] {
  const packed = join(scratch, 'dependencies');
  mkdirSync(packed);
  const listed = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const folders = listed.split('\n').filter((folder) => folder !== '' && resolve(folder) !== ROOT);
  const specs = folders.map((folder) => `./${relative(ROOT, folder)}`);
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', packed, ...specs], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return tarballs(packed);
}

function tarballs(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(folder, name));
}
