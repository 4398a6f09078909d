// The program as few files: a process that reads one picture has loaded its code in half of the time that hundreds of
// modules take. What others wrote goes in as well, as far as it is used; `npm run package` puts the licences beside it.
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** Native, or starts threads from files of its own: imported from where npm puts it. */
export const STAY = ['sharp', 'tinypool'];
export const TARGET = 'node20.18';
/** Stands for the address of a script as if it were still one of its own. */
const PLACE = /\bPLACE\("([^"]+)"\)/g;

/**
 * @param defined Values for names that sources only declare.
 * @returns scripts and their maps, to be written where `path` says below `out`; `inputs`, all files that they are made of
 */
export async function bundle(out, defined) {
  const built = await Promise.all([
    bundled(['src/main.ts'], 'src/program', out, defined),
    bundled(startedByAddress(), 'src/threads', out, defined),
  ]);
  return {
    files: built.flatMap(({ outputFiles }) =>
      outputFiles.map(({ path, text }) => ({ path, text: placed(path, text, out) })),
    ),
    inputs: [...new Set(built.flatMap(({ metafile }) => Object.keys(metafile.inputs)))].sort(),
  };
}

/** @param shared Folder for what the entries have in common, and what they load later. */
function bundled(entryPoints, shared, out, define) {
  return build({
    absWorkingDir: ROOT,
    entryPoints,
    outdir: out,
    outbase: '.',
    chunkNames: `${shared}/[name]-[hash]`,
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    // A package without `exports` may bring the newer form for bundlers alone.
    mainFields: ['module', 'main'],
    target: TARGET,
    charset: 'utf8',
    legalComments: 'none',
    sourcemap: true,
    sourcesContent: false,
    define,
    logLevel: 'warning',
    plugins: [outside, places, builtins, oneLanguage],
  });
}

/**
 * What runs in threads, and the families of models, which are loaded there: they keep their addresses. Threads and the
 * program share no memory that knows classes, so neither needs what the other has loaded.
 */
function startedByAddress() {
  const scripts = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .map((name) => join('src', name))
    .filter((name) => name.endsWith('.ts'));
  const jobs = scripts.flatMap((script) =>
    [...readFileSync(join(ROOT, script), 'utf8').matchAll(/(?:import\.meta\.url|here),\s*'(\.[^']+)'/g)].map(
      ([, module]) => `${join(dirname(script), module)}.ts`,
    ),
  );
  const families = scripts.filter((name) => /^src[\\/]models[\\/][a-z0-9_]+\.ts$/.test(name));
  return ['src/workers/entry.ts', ...new Set([...jobs, ...families])];
}

function placed(path, text, out) {
  if (path.endsWith('.js') && /\b__require\(|[(,] *__require\b/.test(text))
    throw new Error(
      `A package in ${path} asks for another in a way that cannot be followed; let it stay outside.`,
    );
  return text.replace(PLACE, (_, script) => {
    const way = relative(dirname(path), join(out, script)).replaceAll('\\', '/');
    return `new URL(${JSON.stringify(way)}, import.meta.url).href`;
  });
}

const outside = {
  name: 'outside',
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^(${STAY.join('|')})$`) }, () => ({ external: true }));
  },
};

/** Folders, threads and files are found from where a script lies, not from the file that it went into. */
const places = {
  name: 'places',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      const script = relative(ROOT, path).replaceAll('\\', '/');
      if (!script.startsWith('src/')) return;
      const place = `PLACE(${JSON.stringify(script.replace(/ts$/, 'js'))})`;
      return { contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', place), loader: 'ts' };
    });
  },
};

/** What an older package gets by `require`, which a script of the newer form has not. */
const builtins = {
  name: 'builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^(node:.*|${builtinModules.join('|')})$`) }, ({ path, kind }) =>
      kind === 'require-call'
        ? { path: path.replace(/^node:/, ''), namespace: 'builtin' }
        : { external: true },
    );
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('node:${path}');`,
    }));
  },
};

/** Nobody asks zod for its messages in fifty languages. */
const oneLanguage = {
  name: 'one-language',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: `export { default as en } from './en.js';`,
    }));
  },
};
