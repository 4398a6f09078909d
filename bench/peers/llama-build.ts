// A native llama.cpp for this machine, built once outside the repository: upstream's sources as npm's node-llama-cpp
// ships them (a git bundle of the release that it is built from), with the compiler and optimisation of native/.
// Where a processor has AMX, GCC 12 compiles llama.cpp to what ends by an illegal instruction: its intrinsic for the
// tiles' shapes reads 8 of their 64 bytes. CC and CXX choose clang for both engines.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = 'node-llama-cpp';
const NATIVE = fileURLToPath(new URL('native', import.meta.url));

export interface NativeLlama {
  /** native/driver.cpp linked with it. */
  peer: string;
  /** What was built, and by which compiler. */
  name: string;
}

/** @param given Another source tree of llama.cpp, or a prefix into which one was installed. */
export function nativeLlama(given?: string): NativeLlama {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'afterimage-bench');
  const { source, name } = given ? { source: resolve(given), name: given } : published(cache);
  // CMake keeps the compiler and the sources of a folder's first build.
  const subject = [source, NATIVE, process.env['CC'], process.env['CXX']].join('\n');
  const folder = join(cache, `build-${createHash('sha256').update(subject).digest('hex').slice(0, 8)}`);
  mkdirSync(folder, { recursive: true });
  process.stderr.write(`Building llama.cpp (${name}); the first time takes minutes.\n`);
  run('cmake', ['-S', NATIVE, '-B', folder, `-DLLAMA=${source}`]);
  run('cmake', ['--build', folder, '--target', 'peer', '--parallel', String(availableParallelism())]);
  const compiler = execFileSync(process.env['CXX'] || 'c++', ['--version'], { encoding: 'utf8' });
  return { peer: join(folder, 'peer'), name: `${name}, ${compiler.split('\n')[0]!.trim()}` };
}

/** The newest published source. */
function published(cache: string): { source: string; name: string } {
  const asked = spawnSync('npm', ['view', PACKAGE, 'version'], { encoding: 'utf8' });
  if (asked.status !== 0)
    throw new Error(
      `npm does not say which ${PACKAGE} is the newest; give llama.cpp's source with --llama FOLDER.`,
    );
  const version = asked.stdout.trim();
  const name = `${PACKAGE}-${version}`;
  const source = join(cache, name);
  if (!existsSync(source)) {
    const work = `${source}.part`;
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    run('npm', ['pack', '--silent', '--pack-destination', work, `${PACKAGE}@${version}`]);
    run('tar', ['-xzf', join(work, `${name}.tgz`), '-C', work, 'package/llama/gitRelease.bundle']);
    run('git', ['clone', '--quiet', join(work, 'package/llama/gitRelease.bundle'), join(work, 'source')]);
    renameSync(join(work, 'source'), source);
    rmSync(work, { recursive: true });
  }
  return { source, name };
}

/** What they print is not the benchmark's answer. */
function run(command: string, args: string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${(stdout + stderr).slice(-4000)}`);
}
