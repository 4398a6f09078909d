// Builds the native addon into build/Release/afterimage.node. Runs at `npm install`; needs CMake and a C++20 compiler,
// and no network: the Node-API headers come from node_modules. With --test the native tests are built beside it and run.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

const PACKAGES = {
  linux: 'Install them with: apt-get install cmake g++ (Debian, Ubuntu) or dnf install cmake gcc-c++ (Fedora).',
  darwin: 'Install them with: xcode-select --install && brew install cmake.',
  win32: 'Windows is not supported yet; use WSL and there: apt-get install cmake g++.',
}[process.platform] ?? 'Install CMake 3.18 or newer and a C++20 compiler.';

function fail(message) {
  process.stderr.write(`afterimage: ${message}\n`);
  process.exit(1);
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (result.error) fail(`${command} was not found; building the native engine needs CMake and a C++20 compiler. ${PACKAGES}`);
  if (result.status !== 0) {
    process.stderr.write(result.stdout + result.stderr);
    fail(`the native engine did not build (\`${command}\` ended with ${result.status}). ${PACKAGES}`);
  }
}

const tests = process.argv.includes('--test');
const platformPackage = `afterimage-mcp-${process.platform}-${process.arch}`;
if (!tests && isInstalled(platformPackage)) process.exit(0);

const build = join(root, 'build');
const generator = existsSync(join(build, 'CMakeCache.txt')) ? [] : ninja() ? ['-G', 'Ninja'] : [];
run('cmake', [
  '-S', 'native', '-B', build, ...generator,
  '-DCMAKE_BUILD_TYPE=Release', `-DAFTERIMAGE_TESTS=${tests ? 'ON' : 'OFF'}`,
  `-DNODE_ADDON_API_DIR=${dirname(require.resolve('node-addon-api/package.json'))}`,
  `-DNODE_API_HEADERS_DIR=${join(dirname(require.resolve('node-api-headers/package.json')), 'include')}`,
]);
run('cmake', ['--build', build, '--parallel', String(Math.min(availableParallelism(), 8))]);
if (tests) {
  const ctest = spawnSync('ctest', ['--test-dir', build, '--output-on-failure'], { cwd: root, stdio: 'inherit' });
  process.exit(ctest.status ?? 1);
}

function isInstalled(name) {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

function ninja() {
  return spawnSync('ninja', ['--version'], { stdio: 'ignore' }).status === 0;
}
