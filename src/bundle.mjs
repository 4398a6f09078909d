// The program as few files: a process that reads one picture has loaded its code in half of the time that hundreds of
// modules take. What others wrote goes in as well, as far as it is used; `npm run package` puts the licences beside it.
// By Rolldown, which lets us say what is loaded together.
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const TARGET = 'node20.18';
/** Native, or starts threads from files of its own: imported from where npm puts it. */
const STAY = ['sharp', 'tinypool'];

/**
 * What a process loads together, with all that it imports; each file goes to the first that wants it. The order is that in
 * which `afterimage ocr` asks for them: threads begin to work while the rest is still being loaded. Nothing of `main.ts`
 * may be in one, since what waits for a command would wait for itself.
 */
const TOGETHER = [
  ['start', /[\\/]src[\\/](cli[\\/](commands|help|options|told)|errors|exit|version)\.ts$/],
  ['decoder', /[\\/]src[\\/]image[\\/]pixel-jobs\.ts$/],
  ['reader', /[\\/]src[\\/]cli[\\/]ocr\.ts$/],
  ['tools', /[\\/](tools[\\/]ocr|src[\\/]ask[\\/]run-tool)\.ts$/],
];
const IN_THREADS = [['thread', /[\\/]src[\\/]workers[\\/]entry\.ts$/]];

/**
 * Writes the program and what its threads run into `out`. Threads share nothing with it that knows classes, so each of the
 * two is whole in itself.
 * @param defined Values for names that sources only declare.
 * @returns ids of all files that went in
 */
export async function bundle(out, defined) {
  const built = await Promise.all([
    written(['src/main.ts'], 'program', TOGETHER, out, defined),
    written(startedByAddress(), 'threads', IN_THREADS, out, defined),
  ]);
  return [...new Set(built.flat())].sort();
}

async function written(entries, folder, together, dir, define) {
  const program = await rolldown({
    cwd: ROOT,
    input: Object.fromEntries(entries.map((script) => [script.replace(/\.ts$/, ''), script])),
    platform: 'node',
    external: STAY,
    // A package without `exports` may bring the newer form for bundlers alone.
    resolve: { mainFields: ['module', 'main'] },
    transform: { define, target: TARGET },
    plugins: [places, oneLanguage, nothingElse],
    // A script that one command loads later and another at once is no mistake.
    checks: { ineffectiveDynamicImport: false },
  });
  const { output } = await program.write({
    dir,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: `src/${folder}/[name]-[hash].js`,
    codeSplitting: {
      groups: together.map(([name, test], at) => ({ name, test, priority: together.length - at })),
    },
    comments: false,
    sourcemap: true,
    sourcemapExcludeSources: true,
  });
  await program.close();
  return output.flatMap(({ type, moduleIds }) => (type === 'chunk' ? moduleIds : []));
}

/** What runs in threads, and the families of models, which are loaded there: they keep their addresses. */
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

/** Folders, threads and files are found from where a script lay, not from the file that it went into. */
const places = {
  name: 'places',
  transform: {
    filter: { id: /[\\/]src[\\/].*\.ts$/, code: 'import.meta.url' },
    handler(code, id) {
      const script = relative(join(ROOT, 'src'), id).replaceAll('\\', '/').replace(/ts$/, 'js');
      return { code: code.replaceAll('import.meta.url', `PLACE(${JSON.stringify(script)})`), map: null };
    },
  },
  renderChunk(code, { fileName }) {
    const address = (_, script) => {
      const way = relative(dirname(fileName), join('src', script)).replaceAll('\\', '/');
      return `new URL(${JSON.stringify(way)}, import.meta.url).href`;
    };
    return { code: code.replace(/\bPLACE\("([^"]+)"\)/g, address), map: null };
  },
};

/** Nobody asks zod for its messages in fifty languages. */
const oneLanguage = {
  name: 'one-language',
  load: {
    filter: { id: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ },
    handler: () => `export { default as en } from './en.js';`,
  },
};

/** @throws Error where a package would be asked for at run time that is not there then. */
const nothingElse = {
  name: 'nothing-else',
  renderChunk(code, { fileName }) {
    for (const [asked, name] of code.matchAll(
      /(?<!as |var )\b__require\b(?! as|\.main\b)(?:\("([^"]+)"\))?/g,
    ))
      if (name === undefined || (!name.startsWith('node:') && !isBuiltin(name)))
        throw new Error(`What lies in ${fileName} asks for others by ${asked}; let it stay outside.`);
  },
};
