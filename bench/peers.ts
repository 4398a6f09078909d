// npm run bench:peers -- [--dims NAME]... [--only LINE]... [--rounds N] [--threads N] [--llama FOLDER] [--write]
// Ours against llama.cpp, built natively for this machine: random 4-bit weights of the same dimensions, every engine in
// a process of its own, taking turns at every line. Lines: load, prefill, decode, sessions, deep, question, tower,
// memory. --llama takes another source tree of llama.cpp or its installation; --write rewrites the table of
// this machine's instruction set in bench/results.md.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { packageRoot } from '../src/package-root.js';
import { measured } from './child.js';
import { DIMENSIONS } from './dimensions.js';
import { median } from './figures.js';
import { instructionSet } from './instruction-set.js';
import { Contender, type Sample } from './peers/contender.js';
import {
  decoderWork,
  keyValueBytes,
  PEER_DIMENSIONS,
  towerOperations,
  type PeerDimensions,
} from './peers/gguf-dimensions.js';
import { writeDecoder, writeTower } from './peers/gguf.js';
import { nativeLlama, type NativeLlama } from './peers/llama-build.js';
import type { Peaks } from './peaks.js';
import { randomCheckpoint } from './random-checkpoint.js';
import { expectSection, writeSection } from './results.js';

const LINES = ['load', 'prefill', 'decode', 'sessions', 'deep', 'question', 'tower', 'memory'] as const;
type LineName = (typeof LINES)[number];

/** In the order of the table; the last has its vision encoder in 8 bits and is asked for that alone. */
const ENGINES = ['fast', 'faster', 'llama', 'llamaQ8'] as const;
type EngineName = (typeof ENGINES)[number];

const SHALLOW = 512;
const DEEP = 4096;
const MOST_SESSIONS = 8;
/** In the largest context that the other side makes; ours keeps what it read, as far as there is room for it. */
const KV_POSITIONS = MOST_SESSIONS * (SHALLOW + 256);
const STEPS = 24;
const QUESTION = 24;
const PICTURE = '1280 800';

/** A line that takes longer is repeated less often, so that all of them end in a quarter of an hour. */
const MOST_MS_OF_A_LINE = 100_000;

interface Line {
  name: LineName;
  title: string;
  engines: readonly EngineName[];
  /** Sessions and tokens of each that must be held before. */
  held?: readonly [number, number];
  command: string;
  /** Of one sample, as a share of what the machine can do. */
  share?: (sample: Sample, peaks: Peaks) => number;
  rate: boolean;
}

const { values: options } = parseArgs({
  options: {
    dims: { type: 'string', multiple: true, default: Object.keys(PEER_DIMENSIONS) },
    only: { type: 'string', multiple: true, default: [...LINES] },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
    llama: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const wanted = (name: LineName): boolean => options.only.includes(name);
for (const name of options.only) expected(name, LINES, '--only');
for (const name of options.dims) expected(name, Object.keys(PEER_DIMENSIONS), '--dims');
if (!(Number.isInteger(rounds) && rounds > 0))
  stop(`Expected a whole number of at least 1 for --rounds but received "${options.rounds}".`);
if (options.write && (!LINES.every(wanted) || options.dims.length < Object.keys(PEER_DIMENSIONS).length))
  stop('Expected --write without --only and --dims; bench/results.md holds whole measurements.');

function expected(name: string, known: readonly string[], option: string): void {
  if (!known.includes(name))
    stop(`Expected one of ${known.join(', ')} for ${option} but received "${name}".`);
}

function stop(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

const bothAndPeer = ['fast', 'faster', 'llama'] as const;
const fastAndPeer = ['fast', 'llama'] as const;

function linesOf({ decoder, tower, screenTokens }: PeerDimensions): Line[] {
  const { operations, bytes } = decoderWork(decoder);
  const perSecond = (count: number, { ms }: Sample): number => count / (ms * 1e6);
  const reading = ({ tokens, ...rest }: Sample, { integers, floats }: Peaks): number =>
    perSecond(operations * tokens, { tokens, ...rest }) / (integers || floats);
  const writing =
    (depth: number, sessions: number) =>
    (sample: Sample, { read }: Peaks): number => {
      const stepBytes = bytes + sessions * depth * keyValueBytes(decoder);
      return perSecond((stepBytes * sample.tokens) / sessions, sample) / read;
    };
  const held = [wanted('sessions') ? MOST_SESSIONS : 1, SHALLOW] as const;
  const decode = (name: LineName, sessions: number, depth: number, kept: Line['held']): Line => ({
    name,
    title: `decode at ${depth}, ${sessions} session${sessions > 1 ? 's' : ''}`,
    engines: fastAndPeer,
    held: kept,
    command: `decode ${STEPS} ${sessions}`,
    share: writing(depth, sessions),
    rate: true,
  });
  const all: Line[] = [
    {
      name: 'prefill',
      title: `prefill ${SHALLOW}`,
      engines: bothAndPeer,
      command: `prefill ${SHALLOW}`,
      share: reading,
      rate: true,
    },
    decode('decode', 1, SHALLOW, held),
    decode('sessions', 4, SHALLOW, held),
    decode('sessions', MOST_SESSIONS, SHALLOW, held),
    decode('deep', 1, DEEP, [1, DEEP]),
    {
      name: 'question',
      title: 'second question on one screen',
      engines: fastAndPeer,
      held: [1, screenTokens],
      command: `question ${QUESTION}`,
      rate: false,
    },
    {
      name: 'tower',
      title: `encode ${PICTURE.replace(' ', '×')}`,
      engines: ENGINES,
      command: `image ${PICTURE}`,
      share: (sample, { floats }) => perSecond(towerOperations(tower, sample.tokens), sample) / floats,
      rate: false,
    },
  ];
  return all.filter(({ name }) => wanted(name));
}

/** Samples of each engine, one round after the other. */
type Samples = Partial<Record<EngineName, Sample[]>>;

interface Row {
  line: Pick<Line, 'title' | 'rate' | 'share'>;
  samples: Samples;
}

class Course {
  readonly rows: Row[] = [];
  readonly peaks: Partial<Record<EngineName, number>> = {};
  readonly #running = new Map<EngineName, Contender>();
  readonly #held = new Map<EngineName, string>();

  constructor(
    readonly dims: string,
    readonly start: (engine: EngineName) => Promise<Contender>,
  ) {}

  /** Starts every engine in turn and stops it, but for the last time. */
  async load(): Promise<void> {
    const engines = ENGINES.filter((name) => name !== 'llamaQ8');
    const samples: Samples = {};
    for (let round = 0; round < (wanted('load') ? rounds : 1); round++)
      for (const engine of engines) {
        await this.#running.get(engine)?.close();
        const contender = await this.start(engine);
        this.#running.set(engine, contender);
        this.#note(samples, engine, contender.loaded, 'load');
      }
    if (wanted('load')) this.rows.push({ line: { title: 'load', rate: false }, samples });
  }

  async run(line: Line): Promise<void> {
    const readings: Samples = {};
    for (const engine of line.engines) {
      if (!this.#running.has(engine)) this.#running.set(engine, await this.start(engine));
      if (!line.held || this.#held.get(engine) === line.held.join(' ')) continue;
      const contender = this.#running.get(engine)!;
      this.#held.set(engine, line.held.join(' '));
      this.#note(readings, engine, await contender.ask(`hold ${line.held.join(' ')}`), 'hold');
    }
    if (line.name === 'deep')
      this.rows.push({ line: { title: `prefill ${DEEP}`, rate: true }, samples: readings });
    const samples: Samples = {};
    const start = performance.now();
    for (let round = 0; round < rounds; round++) {
      if (round > 0 && ((performance.now() - start) * (round + 1)) / round > MOST_MS_OF_A_LINE) break;
      for (const engine of line.engines)
        this.#note(samples, engine, await this.#running.get(engine)!.ask(line.command), line.title);
    }
    this.rows.push({ line, samples });
  }

  async end(): Promise<void> {
    for (const [engine, contender] of this.#running) {
      this.peaks[engine] = await contender.peak();
      await contender.close();
    }
  }

  #note(samples: Samples, engine: EngineName, sample: Sample, what: string): void {
    (samples[engine] ??= []).push(sample);
    process.stderr.write(
      `${this.dims} ${what} ${engine}: ${sample.ms.toFixed(0)} ms, ${sample.cpu.toFixed(0)} ms of CPU\n`,
    );
  }
}

const middle = (samples: Sample[], of: 'ms' | 'cpu'): number => median(samples.map((sample) => sample[of]));

/** The peer's time in ours: of the clock, and of the processor. */
function ratio(ours: Sample[] | undefined, theirs: Sample[]): string {
  if (!ours) return '';
  const [clock, processor] = (['ms', 'cpu'] as const).map((of) => middle(theirs, of) / middle(ours, of));
  return `${clock!.toFixed(2)}× · ${processor!.toFixed(2)}×`;
}

function cells({ line, samples }: Row, peaks: Peaks): string[] {
  const value = (list: Sample[] | undefined): string => {
    if (!list) return '';
    const ms = middle(list, 'ms');
    const shown = line.rate
      ? `${((list[0]!.tokens * 1000) / ms).toFixed(1)} t/s`
      : ms < 10_000
        ? `${ms.toFixed(0)} ms`
        : `${(ms / 1000).toFixed(1)} s`;
    const share = line.share?.({ ...list[0]!, ms }, peaks);
    return share === undefined ? shown : `${shown} · ${(100 * share).toFixed(0)} %`;
  };
  const peers = (['llama', 'llamaQ8'] as const).filter((name) => samples[name]);
  const best = peers.reduce((a, b) => (middle(samples[a]!, 'ms') <= middle(samples[b]!, 'ms') ? a : b));
  const theirs = peers.map((name) => `${value(samples[name])}${name === 'llamaQ8' ? ' (Q8_0)' : ''}`);
  return [
    line.title,
    value(samples.fast),
    value(samples.faster),
    theirs.join('; '),
    ratio(samples.fast, samples[best]!),
    ratio(samples.faster, samples[best]!),
    String(samples[best]!.length),
  ];
}

/** Gigabytes in memory: gone with the process, too, however it ends. */
let remove = (): void => {};
process.once('exit', () => remove());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** Compiled, as users have it: what compiles scripts as they are loaded stays in memory. */
async function compiledOurs(): Promise<string> {
  const script = join(packageRoot(), 'build', 'peers', 'ours.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('peers/ours.ts', import.meta.url))],
    outfile: script,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  });
  return script;
}

async function course(dims: string, llama: NativeLlama, script: string): Promise<Course> {
  const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const folder = mkdtempSync(join(memory, 'afterimage-peers-'));
  const checkpoint = randomCheckpoint(DIMENSIONS[dims]!(), 4);
  remove = () => {
    checkpoint.remove();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const sizes = PEER_DIMENSIONS[dims]!;
    const files = {
      model: join(folder, 'model.gguf'),
      f16: join(folder, 'f16.gguf'),
      q8: join(folder, 'q8.gguf'),
    };
    writeDecoder(files.model, sizes.decoder);
    writeTower(files.f16, sizes.tower, 'f16');
    if (wanted('tower')) writeTower(files.q8, sizes.tower, 'q8_0');
    const ours = (precision: string): string[] => [
      ...[script, '--dims', dims, '--weights', checkpoint.checkpoint.folder],
      ...['--precision', precision, '--threads', options.threads],
      ...['--kv', String(KV_POSITIONS * keyValueBytes(sizes.decoder))],
    ];
    const theirs = (tower: string): string[] => [files.model, tower, options.threads];
    const result = new Course(dims, (engine) => {
      if (engine === 'llama') return Contender.start(llama.peer, theirs(files.f16));
      if (engine === 'llamaQ8') return Contender.start(llama.peer, theirs(files.q8));
      return Contender.start(process.execPath, ours(engine));
    });
    await result.load();
    for (const line of linesOf(sizes)) await result.run(line);
    await result.end();
    return result;
  } finally {
    remove();
  }
}

function table({ dims, rows, peaks: memory }: Course, peaks: Peaks): string[] {
  const lines = rows.map((row) => `| ${[dims, ...cells(row, peaks)].join(' | ')} |`);
  if (!wanted('memory')) return lines;
  const mb = (name: EngineName): string => `${memory[name]!.toFixed(0)} MB`;
  const less = (name: EngineName): string => `${(memory.llama! / memory[name]!).toFixed(2)}×`;
  const row = [dims, 'peak memory', mb('fast'), mb('faster'), mb('llama'), less('fast'), less('faster'), '1'];
  return [...lines, `| ${row.join(' | ')} |`];
}

const begun = performance.now();
const llama = nativeLlama(options.llama);
const section = `peers ${instructionSet()}`;
if (options.write) expectSection(section);
const before = measured<Peaks>('peaks.ts', { threads: options.threads });
const rows: string[] = [];
const courses: Course[] = [];
const load = loadavg()[0]!;
const script = await compiledOurs();
for (const dims of options.dims) courses.push(await course(dims, llama, script));
const after = measured<Peaks>('peaks.ts', { threads: options.threads });
const peaks: Peaks = {
  read: Math.max(before.read, after.read),
  floats: Math.max(before.floats, after.floats),
  integers: Math.max(before.integers, after.integers),
};
for (const each of courses) rows.push(...table(each, peaks));
const lines = [
  `${cpus()[0]!.model.trim()}, ${options.threads} threads, ${Math.round(totalmem() / 2 ** 30)} GiB, a load of ${load.toFixed(1)} when it began; ${((performance.now() - begun) / 60_000).toFixed(0)} minutes. llama.cpp: ${llama.name}. Peaks: int8 dot ${peaks.integers.toFixed(0)} Gop/s, float ${peaks.floats.toFixed(0)} GFLOP/s, memory ${peaks.read.toFixed(1)} GB/s.`,
  '',
  '| dimensions | work | fast | faster | llama.cpp | fast, clock · CPU | faster, clock · CPU | rounds |',
  '|---|---|---|---|---|---|---|---|',
  ...rows,
];
process.stdout.write(`${lines.join('\n')}\n`);
if (options.write) writeSection(section, lines.join('\n'));
