// Makes what is published: the main package and one package a platform with the addon inside, as tarballs.
//   npm run package [-- --platform linux-x64,linux-arm64] [--out DIR]
// Default: this machine's platform, build/packages. On Linux a package is refused when it needs more than glibc 2.28.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, BuildFailed } from '../native/toolchain.mjs';
import { npm } from './npm.mjs';
import { takeFiles, tellLicences } from './third-party.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = withOwner(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));

/** Every platform that has a package; `npm run package` makes those that this machine can compile for. */
export const PLATFORMS = {
  'linux-x64': { os: 'linux', cpu: 'x64', libc: 'glibc' },
  'linux-arm64': { os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64' },
  'win32-x64': { os: 'win32', cpu: 'x64' },
};
const HERE = `${process.platform}-${process.arch}`;
const OLDEST_GLIBC = [2, 28];

/** What users run or need to build the addon themselves. */
const FILES = [
  ...['dist', 'models/elements', 'models/starter', 'native', 'skills'],
  ...['mcp.json', 'server.json', 'README.md', 'LICENSE', 'NOTICE'],
];
/** Compiled tests, fuzzers, benchmarks and the emulator stay at home; of the pictures, `doctor` looks at one. */
const DEVELOPMENT_ONLY =
  /^native\/(bench|fuzz|test|metal\/rig)(\/|$)|^models\/starter\/examples\/(?!login\.png)|\.js\.map$|windows\.sh$/;

const { values } = parseArgs({
  options: {
    platform: { type: 'string', default: HERE },
    out: { type: 'string', default: join(root, 'build', 'packages') },
  },
});
const out = resolve(values.out);
mkdirSync(out, { recursive: true });
for (const platform of values.platform.split(',')) await packPlatform(platform);
await packMain();

async function packPlatform(platform) {
  const target = PLATFORMS[platform];
  if (!target) fail(`There is no package for ${platform}; there are ${Object.keys(PLATFORMS).join(', ')}.`);
  const addon = await compile(platform, target);
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
async function packMain() {
  const stage = freshStage(manifest.name);
  for (const file of FILES) copy(file, stage);
  const inside = tellLicences(stage, root);
  const read = takeFiles(stage, root);
  const { scripts, devDependencies, ...published } = manifest;
  for (const name of inside) delete published.dependencies[name];
  for (const name of read) published.dependencies[name] = versionOf(name);
  published.bundleDependencies = read;
  published.files = [...FILES, 'THIRD-PARTY.txt'];
  const platforms = Object.keys(PLATFORMS).map((platform) => [
    `${manifest.name}-${platform}`,
    manifest.version,
  ]);
  writeManifest(stage, { ...published, optionalDependencies: Object.fromEntries(platforms) });
  const server = JSON.parse(readFileSync(join(root, 'server.json'), 'utf8'));
  writeFileSync(join(stage, 'server.json'), `${JSON.stringify(serverOf(server), null, 2)}\n`);
  pack(stage);
}

/**
 * Who publishes it stands in package.json's `config.owner` alone. The registry of MCP servers takes a package for a
 * server's where both say the same `mcpName`; npm's provenance wants the repository.
 */
function withOwner({ config: { owner }, ...rest }) {
  const repository = { type: 'git', url: `git+https://github.com/${owner}/afterimage.git` };
  return { ...rest, mcpName: `io.github.${owner}/afterimage`, repository };
}

/** server.json as it is published: the tree has it without an owner. */
function serverOf(server) {
  const { mcpName, version, repository } = manifest;
  const { $schema, title, description, packages } = server;
  const url = repository.url.replace(/^git\+|\.git$/g, '');
  return {
    $schema,
    name: mcpName,
    title,
    description,
    repository: { url, source: 'github' },
    version,
    packages: packages.map((entry) => ({ ...entry, version })),
  };
}

/** On Linux the addon that has libstdc++ inside (native/portable); others have one addon only. */
async function compile(platform, { os }) {
  const folder = platform === HERE ? join(root, 'build') : join(root, 'build', 'cross', platform);
  const [target, place] =
    os === 'linux' ? ['afterimage_portable', 'Portable'] : ['afterimage_addon', 'Release'];
  try {
    await build({ folder, target, platform: platform === HERE ? undefined : platform });
  } catch (error) {
    if (!(error instanceof BuildFailed)) throw error;
    fail(`${error.message}\n${error.output}`);
  }
  return join(folder, place, 'afterimage.node');
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
    filter: (path) => !DEVELOPMENT_ONLY.test(relative(root, path).replaceAll('\\', '/')),
  });
}

function versionOf(name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
}

function writeManifest(stage, content) {
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
}

function pack(stage) {
  // A list, or since npm 12 an object by name.
  const [{ filename, size }] = Object.values(
    JSON.parse(npm(['pack', '--json', '--pack-destination', out], stage)),
  );
  process.stdout.write(`${filename}  ${(size / 1e6).toFixed(1)} MB\n`);
}

function fail(sentence) {
  process.stderr.write(`package: ${sentence}\n`);
  process.exit(1);
}
