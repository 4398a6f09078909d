// npm run mutate -- [--each N] [--file PATH…] [--all] [--jobs N] [--list]
// Breaks each family, processor, tower and decoder in turn, in a copy of the tree, and runs the golden test of the
// families that read the broken file: every break must turn it red. Prints the ones that do not, and
// `N mutations, M survivors`. Takes minutes; not part of npm test.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
/** What a mutant may take; an endless loop is found out too. */
const LIMIT_MS = 120_000;

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
  return [...proofs].flatMap(([file, folders]) => (reaches(file, target) ? folders : []));
}

/** Families, and everything that they are put together from. */
function targets(): string[] {
  const parts = ROOMS.flatMap((room) =>
    readdirSync(join(ROOT, MODELS, room)).map((name) => join(MODELS, room, name)),
  );
  const shared = ['rope', 'positions', 'visibility'].map((name) => join(MODELS, `${name}.ts`));
  const all = [...proofs.keys(), ...parts, ...shared].filter(
    (file) => foldersFor(file).length > 0 || isShared(file),
  );
  return options.file
    ? all.filter((file) => options.file!.some((wanted) => resolve(wanted) === join(ROOT, file)))
    : all;
}

/** Read by the test's own path from prompts to positions, not by families. */
const isShared = (file: string): boolean => file.endsWith('positions.ts') || file.endsWith('visibility.ts');

/** A tree that holds what the golden test needs. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'afterimage-mutate-'));
  for (const part of ['src', 'test/goldens', 'package.json', 'tsconfig.json'])
    cpSync(join(ROOT, part), join(copy, part), {
      recursive: true,
      filter: (path) => !path.includes('/generator'),
    });
  for (const part of ['node_modules', 'build', 'native']) symlinkSync(join(ROOT, part), join(copy, part));
  return copy;
}

/** Whether the golden test of these folders passes in the copy. */
function passes(copy: string, folders: string[]): Promise<boolean> {
  const pattern = `--test-name-pattern=^(${folders.join('|')})$`;
  const flags = ['--max-old-space-size=1024', '--import', 'tsx', pattern, 'test/goldens/checkpoints.test.ts'];
  const child = spawn(process.execPath, flags, { cwd: copy, stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  return new Promise((done) =>
    child.on('close', (code) => {
      clearTimeout(timer);
      done(code === 0);
    }),
  );
}

async function survives(copy: string, mutation: Mutation): Promise<boolean> {
  const original = read(mutation.file);
  writeFileSync(join(copy, mutation.file), applied(original, mutation));
  try {
    const folders = isShared(mutation.file)
      ? checkpointFolders().map((folder) => basename(folder))
      : foldersFor(mutation.file);
    return await passes(copy, folders);
  } finally {
    writeFileSync(join(copy, mutation.file), original);
  }
}

const described = ({ file, line, kind, before, after }: Mutation): string =>
  `${relative(ROOT, join(ROOT, file))}:${line} ${kind}: ${oneLine(before)} → ${oneLine(after)}`;
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').slice(0, 70);

async function work(copy: string, queue: Mutation[], survivors: Mutation[]): Promise<void> {
  for (let mutation = queue.shift(); mutation; mutation = queue.shift()) {
    const survived = await survives(copy, mutation);
    process.stderr.write(survived ? '' : '.');
    if (!survived) continue;
    survivors.push(mutation);
    console.log(`SURVIVED ${described(mutation)}`);
  }
}

async function main(): Promise<void> {
  const mutations = targets().flatMap((file) => {
    const all = mutationsOf(file, read(file));
    return options.all ? all : chosen(all, Number(options.each));
  });
  if (options.list) return mutations.forEach((mutation) => console.log(described(mutation)));
  const survivors: Mutation[] = [];
  const copies = Array.from({ length: Number(options.jobs) }, copyTree);
  try {
    if (
      !(await passes(
        copies[0]!,
        checkpointFolders().map((folder) => basename(folder)),
      ))
    )
      throw new Error('The golden test is red before anything is broken: npm run goldens');
    const queue = [...mutations];
    await Promise.all(copies.map((copy) => work(copy, queue, survivors)));
  } finally {
    for (const copy of copies) rmSync(copy, { recursive: true, force: true });
  }
  console.log(`${mutations.length} mutations, ${survivors.length} survivors`);
  process.exitCode = survivors.length === 0 && mutations.length > 0 ? 0 : 1;
}

await main();
