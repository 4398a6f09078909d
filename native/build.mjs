// Builds the native addon; needs CMake and a C++20 compiler, no network.
//   node native/build.mjs                  build/Release/afterimage.node; `npm install` in a checkout does this
//   node native/build.mjs --test           the native tests beside it, and runs them
//   node native/build.mjs --into FOLDER    FOLDER/afterimage.node for an installation, told in FOLDER/status.json
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { buildInto } from './build-into.mjs';
import { build, BuildFailed, ROOT } from './toolchain.mjs';

const require = createRequire(import.meta.url);
const folder = join(ROOT, 'build');
const tests = process.argv.includes('--test');
const into = process.argv.indexOf('--into');

try {
  if (into > 0) await buildInto(resolve(process.argv[into + 1]));
  else if (tests) await buildAndTest();
  else if (!isInstalled(`afterimage-mcp-${process.platform}-${process.arch}`)) await build({ folder, tests });
} catch (error) {
  if (!(error instanceof BuildFailed)) throw error;
  process.stderr.write(`${error.output}afterimage: ${error.message}\n`);
  process.exitCode = 1;
}

async function buildAndTest() {
  await build({ folder, tests });
  const ctest = ['--test-dir', folder, '--output-on-failure', '--parallel', String(availableParallelism())];
  const { status } = spawnSync('ctest', ctest, { cwd: ROOT, stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

function isInstalled(name) {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}
