// The README's two commands in fresh clones, by every npm on every Node.js that it runs on: a clone has what is committed
// and nothing else. A line a cell goes to stdout; exit 1 where one fails. CI does not run it: each cell compiles.
//   npm run test:checkout [-- --npm 10,12 --node 22]      CMAKE_CXX_COMPILER_LAUNCHER=ccache makes it minutes
//   npm run test:checkout -- --npm 10 --node 20 --whole   `npm test` itself; else a few files of it that need all parts
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../../..');
/** npm 12 wants Node.js 22 or newer. */
const RUNS_ON: Record<string, string[]> = {
  10: ['20', '22', '24'],
  11: ['20', '22', '24'],
  12: ['22', '24'],
};
const SAID = 'Member login';
/** Of `npm test`: the addon and its threads, pictures, the network, a server. */
const FEW = ['engine/bitwise', 'image/decode', 'pull/pull', 'http/door'];

const { values } = parseArgs({
  options: {
    npm: { type: 'string', default: '10,11,12' },
    node: { type: 'string', default: '20,22,24' },
    whole: { type: 'boolean', default: false },
  },
});

const scratch = mkdtempSync(join(tmpdir(), 'afterimage-checkout-'));
let [cells, failed] = [0, 0];
try {
  for (const node of values.node.split(','))
    for (const npm of values.npm.split(',')) if (RUNS_ON[npm]?.includes(node)) cell(npm, node);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (cells === 0) process.stdout.write(`npm ${values.npm} does not run on Node.js ${values.node}\n`);
process.exitCode = cells === 0 || failed > 0 ? 1 : 0;

/** npm's own package `node` brings the program. */
function nodeFolder(version: string): string {
  const folder = join(scratch, `node${version}`);
  const program = join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin');
  if (existsSync(program)) return program;
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{}');
  execFileSync('npm', ['install', '--no-save', '--silent', `node-linux-${process.arch}@${version}`], {
    cwd: folder,
  });
  return program;
}

function cell(npm: string, version: string): void {
  const clone = join(scratch, `npm${npm}-node${version}`);
  execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${ROOT}`, clone]);
  const bin = nodeFolder(version);
  const cli = join(import.meta.dirname, 'node_modules', `npm${npm}`, 'bin', 'npm-cli.js');
  const node = (...args: string[]) => {
    const start = performance.now();
    const { status, stdout, stderr } = spawnSync(join(bin, 'node'), args, {
      cwd: clone,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: {
        ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
        PATH: `${bin}${delimiter}${process.env['PATH']}`,
        npm_config_cache: join(scratch, 'npm-cache'),
        CCACHE_BASEDIR: clone,
      },
    });
    return { works: status === 0, stdout, stderr, seconds: (performance.now() - start) / 1000 };
  };
  const steps = {
    install: () => node(cli, 'install', '--no-audit', '--no-fund'),
    start: () => {
      const look = node(cli, 'start');
      return { ...look, works: look.works && look.stdout.includes(SAID) };
    },
    test: () =>
      values.whole
        ? node(cli, 'test')
        : node('--import', 'tsx', '--test', ...FEW.map((name) => `test/${name}.test.ts`)),
  };
  cells++;
  process.stdout.write(`npm ${npm} · Node.js ${version}:`);
  for (const [name, step] of Object.entries(steps)) {
    const { works, stdout, stderr, seconds } = step();
    process.stdout.write(` ${name} ${works ? `${seconds.toFixed(0)} s` : 'FAILS'}`);
    if (works) continue;
    failed++;
    process.stdout.write(`\n${stdout}${stderr}`);
    break;
  }
  process.stdout.write('\n');
  rmSync(clone, { recursive: true, force: true });
}
