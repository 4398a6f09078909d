// CMake and a C++20 compiler, as the project uses them: whether they are there, and one build with them. No network: the
// headers of Node-API come from node_modules.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

/** More jobs than this need more memory than small machines have. */
const MOST_JOBS = 8;

const INSTALL = {
  linux: 'Install them with: apt-get install cmake g++ (Debian, Ubuntu) or dnf install cmake gcc-c++ (Fedora).',
  darwin: 'Install them with: xcode-select --install && brew install cmake.',
  win32:
    'Install CMake and the Visual Studio Build Tools with "Desktop development with C++" and "C++ Clang tools for Windows".',
};

/** How the compiler of another platform is named to CMake: Debian's cross-compilers. */
const CROSS = {
  'linux-arm64': ['-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64', '-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++'],
  'win32-x64': ['-DCMAKE_SYSTEM_NAME=Windows', '-DCMAKE_SYSTEM_PROCESSOR=AMD64', '-DCMAKE_CXX_COMPILER=x86_64-w64-mingw32-g++-posix'],
};

/** One sentence for people; what the compiler said stands in `output`. */
export class BuildFailed extends Error {
  constructor(message, { output = '', toolsMissing = false } = {}) {
    super(message);
    this.output = output;
    /** Whether it is worth trying again once something is installed. */
    this.toolsMissing = toolsMissing;
  }
}

/** @throws BuildFailed with what to install on this system. */
export function checkTools(platform = process.platform) {
  if (answers('cmake') && (platform === 'win32' || process.env.CXX || ['c++', 'g++', 'clang++'].some(answers))) return;
  throw new BuildFailed(
    `Building the native engine needs CMake and a C++20 compiler. ${INSTALL[platform] ?? 'Install CMake 3.18 or newer and a C++20 compiler.'}`,
    { toolsMissing: true },
  );
}

/**
 * Configures `folder` where that is needed and builds in it.
 * @param target of CMake; absent: all
 * @param tests absent: as it was configured before
 * @param platform another than this machine's, as `linux-arm64`
 * @param onProgress called with parts built and parts in all
 * @throws BuildFailed
 */
export async function build({ folder, target, platform, tests, onProgress = () => {} }) {
  if (!platform) checkTools();
  const fresh = !existsSync(join(folder, 'CMakeCache.txt'));
  await run('cmake', [
    ...['-S', join(ROOT, 'native'), '-B', folder, ...(fresh ? generator() : [])],
    ...['-DCMAKE_BUILD_TYPE=Release', ...(tests === undefined ? [] : [`-DAFTERIMAGE_TESTS=${tests ? 'ON' : 'OFF'}`])],
    `-DNODE_ADDON_API_DIR=${dirname(require.resolve('node-addon-api/package.json'))}`,
    `-DNODE_API_HEADERS_DIR=${join(dirname(require.resolve('node-api-headers/package.json')), 'include')}`,
    ...(platform ? crossTo(platform) : []),
  ]);
  const jobs = String(Math.min(availableParallelism(), MOST_JOBS));
  const what = target ? ['--target', target] : [];
  await run('cmake', ['--build', folder, '--config', 'Release', '--parallel', jobs, ...what], onProgress);
}

function crossTo(platform) {
  const cross = CROSS[platform];
  if (cross) return cross;
  throw new BuildFailed(`This machine cannot compile for ${platform}; compile on that platform.`);
}

function generator() {
  if (answers('ninja')) return ['-G', 'Ninja'];
  return process.platform === 'win32' ? ['-A', 'x64', '-T', 'ClangCL'] : [];
}

function answers(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Ninja says [12/80], make says [ 15%]. */
const PARTS = /^\[\s*(\d+)(?:\/(\d+)|%)\]/;

function run(command, args, onProgress = () => {}) {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const hear = (data) => {
    const text = String(data);
    output += text;
    for (const line of text.split(/[\r\n]/)) {
      const parts = PARTS.exec(line);
      if (parts) onProgress(Number(parts[1]), Number(parts[2] ?? 100));
    }
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  return new Promise((done, fail) => {
    child.once('error', (error) => fail(new BuildFailed(`${command} cannot be started: ${error.message}.`, { output })));
    child.once('close', (code) => {
      if (code === 0) return done();
      fail(new BuildFailed(`The native engine did not build: \`${command}\` ended with ${code}.`, { output }));
    });
  });
}
