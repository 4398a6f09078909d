// Builds the program into dist, by esbuild: types are left out, not checked (`npm run check` does that); and converts the
// text reader's networks into dist/reader.
//   node src/build.mjs
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { tsImport } from 'tsx/esm/api';
import { bundle, ROOT, TARGET } from './bundle.mjs';

export const PARTS = ['src', 'tools', 'prompts'];
const OUT = join(ROOT, 'dist');
/** What the program is made of; `npm run package` tells whose it is. */
export const INPUTS = join(ROOT, 'build', 'program-inputs.json');

/**
 * One script beside its like for every TypeScript file of `folders`.
 * @param folders Relative to the root, as they are then under `out`.
 */
export async function compile(folders, out) {
  const entryPoints = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/(^|[/\\])node_modules[/\\]/.test(name))
      .map((name) => join(folder, name)),
  );
  await build({
    absWorkingDir: ROOT,
    entryPoints,
    outdir: out,
    outbase: '.',
    format: 'esm',
    platform: 'node',
    target: TARGET,
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  });
}

async function buildProgram() {
  const { digestsOf } = await source('script-digest.ts');
  for (const part of PARTS) rmSync(join(OUT, part), { recursive: true, force: true });
  const inputs = await bundle(OUT, { SCRIPTS: JSON.stringify(digestsOf(join(ROOT, 'src'))) });
  cpSync(join(ROOT, 'src/prompt/instructions.json'), join(OUT, 'src/prompt/instructions.json'));
  mkdirSync(dirname(INPUTS), { recursive: true });
  writeFileSync(INPUTS, JSON.stringify(inputs));
}

async function convertReader() {
  const [{ loadBundledReader }, { writeConverted }] = await Promise.all(
    ['load.ts', 'converted.ts'].map((name) => source(`models/readers/${name}`)),
  );
  await writeConverted(await loadBundledReader(), join(OUT, 'reader'));
}

function source(script) {
  return tsImport(`./${script}`, import.meta.url);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildProgram();
  await convertReader();
}
