// Compiles src, tools and prompts into dist, by esbuild: types are left out, not checked (`npm run check` does that); and
// converts the text reader's networks into dist/reader.
//   node src/build.mjs
import { cpSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const PARTS = ['src', 'tools', 'prompts'];

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
    target: 'node20',
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  });
}

/** @param scripts Folder of the compiled ones. */
async function convertReader(scripts) {
  const script = (name) => import(pathToFileURL(join(scripts, name)).href);
  const [{ loadBundledReader }, { writeConverted }] = await Promise.all(
    ['load.js', 'converted.js'].map(script),
  );
  await writeConverted(await loadBundledReader());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await compile(PARTS, 'dist');
  cpSync(join(ROOT, 'src/prompt/instructions.json'), join(ROOT, 'dist/src/prompt/instructions.json'));
  await convertReader(join(ROOT, 'dist/src/models/readers'));
}
