// Which folder imports which, and whether every arrow points downstream. `npm run check` prints the arrows and fails
// on one that runs back up and on any circle of files.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** Top to bottom; those of one line stand side by side and may import each other, but never in a circle. */
export const ORDER = [
  ['src/main.ts'],
  ['src/cli', 'src/mcp', 'src/http'],
  ['tools', 'prompts'],
  ['src/ask'],
  ['src/reading'],
  ['src/pull'],
  ['src/engine'],
  ['src/schema'],
  ['src/prompt'],
  ['src/models'],
  ['src/graph'],
  ['src/image'],
  ['src/workers'],
  ['src'],
];

/** Imported files by importing file, both relative to the root and of this project. */
export type Imports = Map<string, string[]>;

export function readImports(root: string): Imports {
  const files = ['src', 'tools', 'prompts'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  );
  const sources = files.filter((file) => file.endsWith('.ts')).sort();
  return new Map(sources.map((file) => [file, importsOf(root, file)]));
}

function importsOf(root: string, file: string): string[] {
  return ts
    .preProcessFile(readFileSync(join(root, file), 'utf8'), true, true)
    .importedFiles.filter(({ fileName }) => /^\.{1,2}\/.*\.js$/.test(fileName))
    .map(({ fileName }) => join(dirname(file), fileName).replace(/\.js$/, '.ts'));
}

/** The longest entry of ORDER that holds the file, and its place from the top. @throws Error for a file in no room. */
function roomOf(file: string): { room: string; floor: number } {
  const rooms = ORDER.flatMap((line, floor) => line.map((room) => ({ room, floor })));
  const found = rooms
    .filter(({ room }) => file === room || file.startsWith(`${room}/`))
    .sort((a, b) => b.room.length - a.room.length)[0];
  const stray = found?.room === 'src' && dirname(file) !== 'src';
  if (!found || stray) throw new Error(`${file} lies in no folder of ORDER in test/structure/arrows.ts`);
  return found;
}

/** `from → to` with the number of imports, in the order of ORDER. */
export function arrows(imports: Imports): Map<string, Map<string, number>> {
  const drawn = new Map(ORDER.flat().map((room) => [room, new Map<string, number>()]));
  for (const [file, targets] of imports) {
    for (const target of targets) {
      const [from, to] = [roomOf(file).room, roomOf(target).room];
      if (from !== to) drawn.get(from)!.set(to, (drawn.get(from)!.get(to) ?? 0) + 1);
    }
  }
  return drawn;
}

/** A sentence for each import that runs back up and for each circle. */
export function violations(imports: Imports): string[] {
  const up = [...imports].flatMap(([file, targets]) =>
    targets
      .filter((target) => roomOf(target).floor < roomOf(file).floor)
      .map((target) => `${file} imports ${target}, which lies above it`),
  );
  const folders = new Map([...arrows(imports)].map(([from, to]) => [from, [...to.keys()]]));
  return [...up, ...[imports, folders].flatMap(circles).map((circle) => `a circle: ${circle.join(' → ')}`)];
}

/** One circle for each import that closes one, by depth-first search. */
function circles(graph: ReadonlyMap<string, string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const visit = (node: string, path: string[]): void => {
    if (path.includes(node)) return void found.push([...path.slice(path.indexOf(node)), node]);
    if (done.has(node)) return;
    for (const next of graph.get(node) ?? []) visit(next, [...path, node]);
    done.add(node);
  };
  for (const node of graph.keys()) visit(node, []);
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const imports = readImports(join(import.meta.dirname, '../..'));
  for (const [from, to] of arrows(imports))
    if (to.size > 0)
      console.log(`${from.padEnd(13)} → ${[...to].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  const wrong = violations(imports);
  for (const sentence of wrong) console.error(sentence);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
