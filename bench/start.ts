// npm run bench:start -- [--rounds N] [--against DIR] [--json] [--write]
// What a person at a terminal waits for: a 1280×800 screen described and read by fresh processes of the compiled program
// (`npm run build` first), nothing kept on disk; in the same process a second, different screen described, and the same
// screen read again with one line changed. Medians; commands take turns. --against DIR takes turns with another checkout
// too, and says what share of its time is taken.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { median, report, type Figures } from './figures.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SCREEN = join(ROOT, 'models', 'starter', 'examples', 'screen.png');

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    against: { type: 'string' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});

interface Run {
  wall: number;
  /** Of the second picture, where there is one. */
  second: number;
  cpu: number;
  megabytes: number;
}

const folder = mkdtempSync(join(tmpdir(), 'afterimage-start-'));
const usage = join(folder, 'usage.json');
/** Tells what the process took, when it ends. */
const WATCH = `data:text/javascript,${encodeURIComponent(
  `import { writeFileSync } from 'node:fs'; process.on('exit', () => writeFileSync(${JSON.stringify(usage)}, JSON.stringify(process.resourceUsage())))`,
)}`;
/** The same screen in other colours: no line of it looks like one that was read. */
const other = join(folder, 'other.png');
/** The same screen after a click: a "Maria Lopez" has become an "Omar Lopez". */
const changed = join(folder, 'changed.png');
const COMMANDS: Record<string, string[]> = {
  describe: ['describe', SCREEN],
  ocr: ['ocr', SCREEN],
  describe_two: ['describe', SCREEN, other],
  ocr_next: ['ocr', SCREEN, changed],
};

async function drawChanged(): Promise<void> {
  const omar = await sharp(SCREEN).extract({ left: 206, top: 98, width: 43, height: 20 }).png().toBuffer();
  await sharp(SCREEN)
    .composite([{ input: omar, left: 206, top: 195 }])
    .png()
    .toFile(changed);
}

async function run(root: string, command: string[]): Promise<Run> {
  const program = join(root, 'dist', 'src', 'main.js');
  const start = performance.now();
  const child = spawn(process.execPath, ['--import', WATCH, program, ...command, '--no-disk-cache'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let [text, said, begun] = ['', start, start];
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more;
    said = performance.now();
    if (more.includes(`==> ${command.at(-1)} <==`)) begun = said;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  const wall = performance.now() - start;
  if (status !== 0 || text === '') throw new Error(`"${command.join(' ')}" of ${root} ended with ${status}`);
  const used = JSON.parse(readFileSync(usage, 'utf8')) as NodeJS.ResourceUsage;
  return {
    wall: wall / 1000,
    second: (said - begun) / 1000,
    cpu: (used.userCPUTime + used.systemCPUTime) / 1e6,
    megabytes: used.maxRSS / 1024,
  };
}

const roots = [ROOT, ...(options.against === undefined ? [] : [options.against])];
const runs = new Map<string, Run[]>();
try {
  await sharp(SCREEN).removeAlpha().negate().png().toFile(other);
  await drawChanged();
  for (let round = 0; round < Number(options.rounds); round++)
    for (const [name, command] of Object.entries(COMMANDS))
      for (const root of roots) {
        const key = `${name} ${root}`;
        runs.set(key, [...(runs.get(key) ?? []), await run(root, command)]);
      }
} finally {
  rmSync(folder, { recursive: true });
}

const of = (name: string, what: keyof Run, root = ROOT): number =>
  median(runs.get(`${name} ${root}`)!.map((one) => one[what]));
const figures: Figures = {};
for (const name of ['describe', 'ocr']) {
  figures[`${name}_s`] = of(name, 'wall');
  figures[`${name}_cpu_s`] = of(name, 'cpu');
  figures[`${name}_mb`] = of(name, 'megabytes');
}
figures['second_picture_s'] = of('describe_two', 'second');
figures['ocr_next_s'] = of('ocr_next', 'second');
if (options.against !== undefined) {
  for (const name of ['describe', 'ocr'])
    for (const what of ['wall', 'cpu'] as const)
      figures[`${name}_${what}_share`] = of(name, what) / of(name, what, options.against);
  const earlier = of('describe_two', 'second', options.against);
  figures['second_picture_share'] = of('describe_two', 'second') / earlier;
}
report('start', figures, options, 2);
