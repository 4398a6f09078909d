// Builds the page out of one source: index.html with its script and style for the door, and app.html, which has both
// inside, for clients that show MCP Apps. By esbuild, which the packages are made with anyway.
//   node page/build.mjs        into dist/page
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(here, '..', 'dist', 'page');
/** Colours in pairs (light-dark) came last of what the page is made of. */
const TARGET = ['chrome123', 'firefox128', 'safari17.5'];

mkdirSync(out, { recursive: true });
const page = await bundled('src/main.tsx');
const app = await bundled('src/app.tsx');
const style = await bundled('styles/page.css');
for (const name of ['index.html', 'icon.svg']) cpSync(join(here, name), join(out, name));
writeFileSync(join(out, 'page.js'), page);
writeFileSync(join(out, 'page.css'), style);
writeFileSync(join(out, 'app.html'), inOne(app, style));

async function bundled(entry) {
  const { outputFiles } = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    outdir: out,
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: TARGET,
    charset: 'utf8',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'warning',
  });
  return outputFiles[0].text;
}

function inOne(script, styles) {
  // What would end the element early is written so that it does not.
  const safe = script.replaceAll('</script', '<\\/script');
  return readFileSync(join(here, 'app.html'), 'utf8')
    .replace('/* style */', () => styles)
    .replace('/* script */', () => safe);
}
