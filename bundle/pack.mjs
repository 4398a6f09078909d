// Packs afterimage.mcpb for this platform: the build, its production dependencies, the addon and the starter model.
// node bundle/pack.mjs [OUTPUT]; needs `npm run build` before it, and the packer: npm ci --prefix test/mcp/suites.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const stage = join(root, 'build', 'mcpb');
const output = resolve(
  process.argv[2] ?? join(root, 'build', `afterimage-${process.platform}-${process.arch}.mcpb`),
);

const MCPB = join(root, 'test/mcp/suites/node_modules/.bin/mcpb');

const PARTS = ['dist', 'models/starter', 'build/Release/afterimage.node', 'package.json', 'LICENSE'];

rmSync(stage, { recursive: true, force: true });
mkdirSync(stage, { recursive: true });
for (const file of ['manifest.json', 'launch.sh']) cpSync(join(root, 'bundle', file), join(stage, file));
for (const part of [...PARTS, ...productionDependencies()]) {
  if (!existsSync(join(root, part))) {
    process.stderr.write(`bundle: ${part} is missing; run npm install and npm run build first.\n`);
    process.exit(1);
  }
  cpSync(join(root, part), join(stage, part), { recursive: true, dereference: true });
}
execFileSync(MCPB, ['validate', join(stage, 'manifest.json')], { cwd: root, stdio: 'inherit' });
execFileSync(MCPB, ['pack', stage, output], { cwd: root, stdio: 'inherit' });

/** Folders of packages that run with the server, relative to the project. */
function productionDependencies() {
  const listed = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], {
    cwd: root,
    encoding: 'utf8',
  });
  const folders = listed.split('\n').filter((folder) => folder !== '' && resolve(folder) !== root);
  return folders.map((folder) => relative(root, folder));
}
