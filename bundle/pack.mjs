// Packs a .mcpb for Claude Desktop out of the packages that `npm run package` made: the main one with its dependencies,
// and the platform's engine.
//   npm run bundle [-- --platform darwin-arm64]     default: this machine's; makes the packages first
// A bundle holds what is installed here, sharp included, so it is made on its own platform.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { npm } from './npm.mjs';
import { foldersOf } from './third-party.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const HERE = `${process.platform}-${process.arch}`;
const { values } = parseArgs({ options: { platform: { type: 'string', default: HERE } } });
const { platform } = values;
const LAUNCHER = platform.startsWith('win32') ? 'launch.mjs' : 'launch.sh';
if (platform !== HERE) fail(`A bundle for ${platform} is made on that platform; this is ${HERE}.`);

const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const packages = join(root, 'build', 'packages');
const stage = join(root, 'build', 'mcpb', platform);
const output = join(root, 'build', `afterimage-${version}-${platform}.mcpb`);

npm(['run', 'package'], root);
rmSync(stage, { recursive: true, force: true });
unpack(name, stage);
unpack(`${name}-${platform}`, join(stage, 'node_modules', `${name}-${platform}`));
const { dependencies, bundleDependencies } = JSON.parse(readFileSync(join(stage, 'package.json'), 'utf8'));
const others = Object.keys(dependencies).filter((dependency) => !bundleDependencies.includes(dependency));
for (const folder of foldersOf(others, root))
  cpSync(join(root, folder), join(stage, folder), { recursive: true, dereference: true });
cpSync(join(root, 'bundle', LAUNCHER), join(stage, LAUNCHER));
writeFileSync(join(stage, 'manifest.json'), `${JSON.stringify(manifestFor(platform), null, 2)}\n`);
mcpb('validate', join(stage, 'manifest.json'));
mcpb('pack', stage, output);

/** The manifest in the tree is for all; a bundle says which one it is for. */
function manifestFor(platform) {
  const manifest = JSON.parse(readFileSync(join(root, 'bundle', 'manifest.json'), 'utf8'));
  const [os, cpu] = platform.split('-');
  manifest.version = version;
  if (os === 'win32') {
    const { mcp_config } = Object.assign(manifest.server, { entry_point: LAUNCHER });
    mcp_config.command = 'node';
    mcp_config.args[0] = `\${__dirname}/${LAUNCHER}`;
  }
  manifest.compatibility.platforms = [os];
  manifest.long_description += ` This bundle is for ${os} on ${cpu}.`;
  return manifest;
}

function packed(name) {
  return join(packages, `${name}-${version}.tgz`);
}

function unpack(name, folder) {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xzf', packed(name), '-C', folder, '--strip-components', '1']);
}

/** The packer, at the version that the protocol suites check the manifest with. */
function mcpb(...args) {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'test/mcp/suites/package.json'), 'utf8'));
  process.stdout.write(
    npm(['exec', '--yes', '--', `@anthropic-ai/mcpb@${dependencies['@anthropic-ai/mcpb']}`, ...args], root),
  );
}

function fail(sentence) {
  process.stderr.write(`bundle: ${sentence}\n`);
  process.exit(1);
}
