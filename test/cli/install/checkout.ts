// The README's first command in fresh clones, by every npm on every Node.js that it runs on: a clone has what is
// committed and nothing else. A table goes to stdout; exit 1 where a cell fails. CI does not run it: each cell compiles.
//   npm run test:checkout [-- --npm 10,12 --node 22]      CMAKE_CXX_COMPILER_LAUNCHER=ccache makes it minutes
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

const { values } = parseArgs({
  options: {
    npm: { type: 'string', default: '10,11,12' },
    node: { type: 'string', default: '20,22,24' },
  },
});

const scratch = mkdtempSync(join(tmpdir(), 'afterimage-checkout-'));
let failed = false;
try {
  for (const node of values.node.split(','))
    for (const npm of values.npm.split(','))
      if (RUNS_ON[npm]?.includes(node)) cell(npm, nodeFolder(node), node);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

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

function cell(npm: string, nodeBin: string, node: string): void {
  const clone = join(scratch, `npm${npm}-node${node}`);
  execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${ROOT}`, clone]);
  const cli = join(import.meta.dirname, 'node_modules', `npm${npm}`, 'bin', 'npm-cli.js');
  const run = (...args: string[]) =>
    spawnSync(join(nodeBin, 'node'), [cli, ...args], {
      cwd: clone,
      encoding: 'utf8',
      env: {
        ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
        PATH: `${nodeBin}${delimiter}${process.env['PATH']}`,
        npm_config_cache: join(scratch, 'npm-cache'),
        CCACHE_BASEDIR: clone,
      },
    });
  const start = performance.now();
  const install = run('install', '--no-audit', '--no-fund');
  const installed = performance.now();
  const look = install.status === 0 ? run('start') : undefined;
  const works = look?.status === 0 && look.stdout.includes(SAID);
  const seconds = `${((installed - start) / 1000).toFixed(0)} s + ${((performance.now() - installed) / 1000).toFixed(0)} s`;
  process.stdout.write(`npm ${npm} · Node.js ${node}: ${works ? `works (${seconds})` : 'FAILS'}\n`);
  if (!works) {
    failed = true;
    process.stdout.write(`${install.stderr}${look?.stdout ?? ''}${look?.stderr ?? ''}\n`);
  }
  rmSync(clone, { recursive: true, force: true });
}
