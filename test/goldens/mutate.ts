// npm run mutate -- [--each N] [--file PATH…] [--all] [--jobs N] [--list]
// Breaks each family, processor, tower and decoder in turn, in a copy of the tree, and runs the golden test of the
// families that read the broken file, and what they have for themselves, test/models/FAMILY.test.ts: every break must turn
// one red. Prints the ones that do not, those that take too long, and `N mutations, M survivors,
// K stopped`. Takes minutes; not part of npm test.
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, normalize, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { families } from '../../src/models/registry.js';
import { checkpointFolders, modelTypeOf } from './checkpoints.js';
import { applied, chosen, mutationsOf, type Mutation } from './mutations.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MODELS = 'src/models';
const ROOMS = ['processors', 'towers', 'decoders'];
const GOLDEN_TEST = 'test/goldens/checkpoints.test.ts';
/** What a test of a mutant may take: an endless loop is found out, but so is a busy machine, and it is said. */
const LIMIT_MS = 240_000;

const { values: options } = parseArgs({
  options: {
    each: { type: 'string', default: '8' },
    file: { type: 'string', multiple: true },
    all: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '2' },
    list: { type: 'boolean', default: false },
  },
});

const texts = new Map<string, string>();

/** As it stood when first asked for: the tree may change while this runs. */
function read(file: string): string {
  const text = texts.get(file) ?? readFileSync(join(ROOT, file), 'utf8');
  texts.set(file, text);
  return text;
}

/** Source files under src/models that a relative import of `file` names. */
function importsOf(file: string): string[] {
  return [...read(file).matchAll(/from '(\.[^']*)\.js'/g)]
    .map(([, path]) => normalize(join(dirname(file), `${path}.ts`)))
    .filter((path) => path.startsWith(MODELS));
}

function reaches(file: string, target: string, seen = new Set<string>()): boolean {
  if (file === target) return true;
  if (seen.has(file)) return false;
  seen.add(file);
  return importsOf(file).some((next) => reaches(next, target, seen));
}

/** The family files, by the folders that prove them. */
function provedBy(): Map<string, string[]> {
  const files = readdirSync(join(ROOT, MODELS)).filter((name) => name.endsWith('.ts'));
  const proofs = new Map<string, string[]>();
  for (const folder of checkpointFolders()) {
    const { modelTypes } = families.find((family) => family.modelTypes.includes(modelTypeOf(folder)))!;
    const owner = files.find((name) => {
      const stated = /modelTypes: \[([^\]]*)\]/g;
      return [...read(join(MODELS, name)).matchAll(stated)].some(([, types]) =>
        types!.includes(`'${modelTypes[0]}'`),
      );
    });
    const file = join(MODELS, owner!);
    proofs.set(file, [...(proofs.get(file) ?? []), basename(folder)]);
  }
  return proofs;
}

const proofs = provedBy();

function foldersFor(target: string): string[] {
  if (isShared(target)) return checkpointFolders().map((folder) => basename(folder));
  return [...proofs].flatMap(([file, folders]) => (reaches(file, target) ? folders : []));
}

function ownTestsFor(target: string): string[] {
  return [...new Set([target, ...proofs.keys()])]
    .filter((file) => reaches(file, target))
    .map((file) => join('test/models', `${basename(file, '.ts')}.test.ts`))
    .filter((test) => existsSync(join(ROOT, test)));
}

/** Families, and everything that they are put together from. */
function targets(): string[] {
  const parts = ROOMS.flatMap((room) =>
    readdirSync(join(ROOT, MODELS, room)).map((name) => join(MODELS, room, name)),
  );
  const shared = ['rope', 'positions', 'visibility'].map((name) => join(MODELS, `${name}.ts`));
  const all = [...proofs.keys(), ...parts, ...shared].filter((file) => foldersFor(file).length > 0);
  return options.file
    ? all.filter((file) => options.file!.some((wanted) => resolve(wanted) === join(ROOT, file)))
    : all;
}

/** Read by the test's own path from prompts to positions, not by families. */
const isShared = (file: string): boolean => file.endsWith('positions.ts') || file.endsWith('visibility.ts');

/** What the tests here need of the tree. */
const COPIED = [
  'src',
  'test/goldens',
  'test/models',
  'test/scratch-folder.ts',
  'package.json',
  'tsconfig.json',
];

function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'afterimage-mutate-'));
  for (const part of COPIED)
    cpSync(join(ROOT, part), join(copy, part), {
      recursive: true,
      filter: (path) => !path.includes('/generator'),
    });
  for (const part of ['node_modules', 'build', 'native']) symlinkSync(join(ROOT, part), join(copy, part));
  return copy;
}

type Outcome = 'green' | 'red' | 'stopped';

/** Of these tests in the copy, one after the other up to the first that is not green: the golden test of folders (`a|b`: both
 * at once), and files. */
async function outcomeOf(copy: string, folders: string[], files: string[]): Promise<Outcome> {
  // From the end, because the first, deepseek_ocr2, takes as long as all others.
  const goldens = folders.toReversed().map((name) => [`--test-name-pattern=^(${name})$`, GOLDEN_TEST]);
  for (const test of [...goldens, ...files.map((file) => [file])]) {
    const outcome = await run(copy, test);
    if (outcome !== 'green') return outcome;
  }
  return 'green';
}

function run(copy: string, test: string[]): Promise<Outcome> {
  const flags = ['--max-old-space-size=1024', '--import', 'tsx', ...test];
  const child = spawn(process.execPath, flags, { cwd: copy, stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  return new Promise((done) =>
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      done(code === 0 ? 'green' : signal === 'SIGKILL' ? 'stopped' : 'red');
    }),
  );
}

async function outcomeWith(mutation: Mutation, copy: string): Promise<Outcome> {
  const { file } = mutation;
  const original = read(file);
  writeFileSync(join(copy, file), applied(original, mutation));
  try {
    return await outcomeOf(copy, foldersFor(file), ownTestsFor(file));
  } finally {
    writeFileSync(join(copy, file), original);
  }
}

const described = ({ file, line, kind, before, after }: Mutation): string =>
  `${relative(ROOT, join(ROOT, file))}:${line} ${kind}: ${oneLine(before)} → ${oneLine(after)}`;
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').slice(0, 70);

async function work(copy: string, queue: Mutation[], found: Record<Outcome, number>): Promise<void> {
  for (let mutation = queue.shift(); mutation; mutation = queue.shift()) {
    const outcome = await outcomeWith(mutation, copy);
    if (outcome === 'red') process.stderr.write('.');
    else console.log(`${outcome === 'green' ? 'SURVIVED' : 'STOPPED'} ${described(mutation)}`);
    found[outcome]++;
  }
}

async function main(): Promise<void> {
  const mutations = targets().flatMap((file) => {
    const all = mutationsOf(file, read(file));
    return options.all ? all : chosen(all, Number(options.each));
  });
  if (options.list) return mutations.forEach((mutation) => console.log(described(mutation)));
  const found = { green: 0, red: 0, stopped: 0 };
  const copies = Array.from({ length: Number(options.jobs) }, copyTree);
  const files = new Set(mutations.map(({ file }) => file));
  const ofAll = (found: (file: string) => string[]): string[] => [...new Set([...files].flatMap(found))];
  try {
    if ((await outcomeOf(copies[0]!, [ofAll(foldersFor).join('|')], ofAll(ownTestsFor))) !== 'green')
      throw new Error('These tests are not green before anything is broken: npm test');
    const queue = [...mutations];
    await Promise.all(copies.map((copy) => work(copy, queue, found)));
  } finally {
    for (const copy of copies) rmSync(copy, { recursive: true, force: true });
  }
  console.log(`${mutations.length} mutations, ${found.green} survivors, ${found.stopped} stopped`);
  process.exitCode = found.red === mutations.length && mutations.length > 0 ? 0 : 1;
}

await main();
