// Makes what is published: the main package and one package a platform with the addon inside, as tarballs.
//   npm run package [-- --platform linux-x64,linux-arm64] [--out DIR]
// Default: this machine's platform, build/packages. On Linux a package is refused when it needs more than glibc 2.28.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Every platform that has a package; `npm run package` makes those that this machine can compile for. */
export const PLATFORMS = {
  'linux-x64': { os: 'linux', cpu: 'x64', libc: 'glibc' },
  'linux-arm64': { os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64' },
  'win32-x64': { os: 'win32', cpu: 'x64' },
};
const HERE = `${process.platform}-${process.arch}`;
const OLDEST_GLIBC = [2, 28];

/** What users run or need to build the addon themselves; the compiled tests and the emulator stay at home. */
const MAIN_FILES = ['dist', 'models/starter', 'mcp.json', 'server.json', 'README.md', 'LICENSE', 'NOTICE'];
const NATIVE_FILES = [
  'CMakeLists.txt',
  'build.mjs',
  'addon',
  'cache',
  'cpu',
  'graph',
  'metal',
  'portable',
  'session',
  'weights',
];
const DEVELOPMENT_ONLY = /native\/metal\/rig(\/|$)/;

const { values } = parseArgs({
  options: {
    platform: { type: 'string', default: HERE },
    out: { type: 'string', default: join(root, 'build', 'packages') },
  },
});
const out = resolve(values.out);
mkdirSync(out, { recursive: true });
for (const platform of values.platform.split(',')) packPlatform(platform);
packMain();

function packPlatform(platform) {
  const target = PLATFORMS[platform];
  if (!target) fail(`There is no package for ${platform}; there are ${Object.keys(PLATFORMS).join(', ')}.`);
  const addon = compile(platform, target);
  if (target.os === 'linux') checkBaseline(addon);
  const name = `${manifest.name}-${platform}`;
  const stage = freshStage(name);
  cpSync(addon, join(stage, 'afterimage.node'));
  cpSync(join(root, 'LICENSE'), join(stage, 'LICENSE'));
  writeFileSync(
    join(stage, 'README.md'),
    `The native engine of ${manifest.name} for ${platform}; installed with it.\n`,
  );
  const { version, license, repository, engines } = manifest;
  writeManifest(stage, {
    name,
    version,
    description: `The native engine of ${manifest.name} for ${platform}.`,
    license,
    repository,
    engines,
    main: 'afterimage.node',
    files: ['afterimage.node'],
    os: [target.os],
    cpu: [target.cpu],
    ...(target.libc && { libc: [target.libc] }),
  });
  pack(stage);
}

/** Without scripts and development dependencies, with the platform packages at exactly this version. */
function packMain() {
  const stage = freshStage(manifest.name);
  for (const file of MAIN_FILES) if (existsSync(join(root, file))) copy(file, stage);
  for (const file of NATIVE_FILES) copy(join('native', file), stage);
  const { scripts, devDependencies, ...published } = manifest;
  const platforms = Object.keys(PLATFORMS).map((platform) => [
    `${manifest.name}-${platform}`,
    manifest.version,
  ]);
  writeManifest(stage, { ...published, optionalDependencies: Object.fromEntries(platforms) });
  pack(stage);
}

function compile(platform, { os, cpu }) {
  if (os !== process.platform) fail(`${platform} is compiled on ${os} only.`);
  const folder = join(root, 'build', 'package', platform);
  const headers = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  run('cmake', [
    ...['-S', join(root, 'native'), '-B', folder, '-DCMAKE_BUILD_TYPE=Release'],
    ...['-DAFTERIMAGE_TESTS=OFF', '-DAFTERIMAGE_PORTABLE=ON', `-DNODE_API_HEADERS_DIR=${headers}`],
    `-DNODE_ADDON_API_DIR=${dirname(require.resolve('node-addon-api/package.json'))}`,
    ...(cpu === process.arch ? [] : crossCompiler(os, cpu)),
  ]);
  run('cmake', ['--build', folder, '--config', 'Release', '--parallel', String(availableParallelism())]);
  return join(folder, 'Release', 'afterimage.node');
}

function crossCompiler(os, cpu) {
  if (os !== 'linux' || cpu !== 'arm64') fail(`This machine cannot compile for ${os}-${cpu}.`);
  return [
    '-DCMAKE_SYSTEM_NAME=Linux',
    '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
    '-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++',
  ];
}

/** Reads the versions of the C library's symbols that the addon asks for; libstdc++ must be inside. */
function checkBaseline(addon) {
  const symbols = execFileSync('readelf', ['--wide', '--version-info', addon], { encoding: 'utf8' });
  const newer = [...symbols.matchAll(/GLIBC_(\d+)\.(\d+)/g)].filter(
    ([, major, minor]) => Number(major) > OLDEST_GLIBC[0] || Number(minor) > OLDEST_GLIBC[1],
  );
  if (newer.length > 0)
    fail(`${addon} needs ${newer[0][0]}; bind the name in native/portable/glibc_baseline.cpp.`);
  if (symbols.includes('GLIBCXX_'))
    fail(`${addon} needs the system's libstdc++; it must be linked statically.`);
}

function freshStage(name) {
  const stage = join(out, name);
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  return stage;
}

function copy(file, stage) {
  cpSync(join(root, file), join(stage, file), {
    recursive: true,
    filter: (path) => !DEVELOPMENT_ONLY.test(path),
  });
}

function writeManifest(stage, content) {
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
}

function pack(stage) {
  const [{ filename, size }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', out], { cwd: stage, encoding: 'utf8' }),
  );
  process.stdout.write(`${filename}  ${(size / 1e6).toFixed(1)} MB\n`);
}

function run(command, args) {
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
}

function fail(sentence) {
  process.stderr.write(`package: ${sentence}\n`);
  process.exit(1);
}
