// npm run fuzz [-- SECONDS]: every fuzzer for so long (300), one after the other, native ones included.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const SECONDS = process.argv[2] ?? '300';
const ROOT = join(import.meta.dirname, '../..');
const BUILD = join(ROOT, 'build');
const KINDS = ['references', 'settings', 'templates', 'tokenizers', 'wire'];
const NATIVE = readdirSync(join(ROOT, 'native/fuzz'))
  .filter((name) => /^fuzz_\w+\.cpp$/.test(name))
  .map((name) => name.replace('.cpp', ''));

let failed = 0;

function run(name: string, command: string, args: string[]): void {
  process.stdout.write(`\n== ${name}, ${SECONDS} s\n`);
  const env = { ...process.env, AFTERIMAGE_FUZZ_SECONDS: SECONDS };
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', env });
  if (status !== 0) failed++;
}

for (const kind of KINDS) {
  const only = ['--test-reporter=spec', `--test-name-pattern=^${kind}`];
  run(kind, process.execPath, ['--import', 'tsx', '--test', ...only, 'test/fuzz/fuzz.test.ts']);
}
const targets = NATIVE.map((name) => `${name}_short`);
const jobs = String(Math.min(2, availableParallelism()));
run('build', 'cmake', ['-S', 'native', '-B', BUILD, '-DAFTERIMAGE_TESTS=ON']);
run('build', 'cmake', ['--build', BUILD, '--parallel', jobs, '--target', ...targets]);
for (const name of NATIVE) run(name, join(BUILD, `${name}_short`), [join('native/fuzz/seeds', name)]);
process.exitCode = failed > 0 ? 1 : 0;
