// npm run bench:draft -- --dims starter|qwen2-vl-2b|smolvlm-256m [--bits 4] [--threads N] [--brief] [--json] [--write]
// What guessed tokens save: the same answers with and without them, by turns. The bundled model answers for itself: it
// reads, with what the text reader found as a source of guesses, describes and fills in schemas. Random weights of real
// dimensions say nothing that could be guessed: from them come records of a schema, byte by byte, most of which are
// certain; and free text, where every guess is in vain.
// The bundled model is asked about each picture as if nothing had been asked before, and `again`: about the same picture with
// one line changed, where the answer about the picture is known to the room, as it is when an agent looks after a click.
// Beside the times, which other work on the machine disturbs, stands what was done: `runs`, in those without guesses, and
// `by_work`, the gain in tokens per second if a run costs what runs of as many rows cost, measured by turns on their own;
// and what thinking of guesses takes, in the time of the runs (half of which have no guesses).
// --brief: one round instead of three, two records instead of six, 12 free tokens instead of 48: about a tenth of the steps.
// What is counted (`runs`, `accepted`) is as exact as ever, of shorter answers; times and prices are those of a single look.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { Answered } from '../src/ask/answered.js';
import type { Call, Room } from '../src/ask/call.js';
import { runTool } from '../src/ask/run-tool.js';
import { Options } from '../src/cli/options.js';
import { Terminal } from '../src/cli/terminal.js';
import type { Answer } from '../src/engine/engine.js';
import { LoadedModel } from '../src/engine/loaded-model.js';
import { LocalSession } from '../src/engine/local-session.js';
import { starterFolder } from '../src/engine/model-folder.js';
import type { NativeResult } from '../src/engine/native-engine.js';
import { loadImage } from '../src/image/load.js';
import type { Region } from '../src/image/region.js';
import { compileSchema } from '../src/schema/compile.js';
import { tools } from '../tools/index.js';
import { benchArguments, benchCheckpoint, type BenchArguments } from './arguments.js';
import { median, report, type Figures } from './figures.js';
import { BenchModel } from './native-model.js';
import { syntheticPrompt } from './synthetic-prompt.js';
import { vocabulary } from './vocabulary.js';

const options = benchArguments();
const ROUNDS = options.brief ? 1 : 3;

type Took = Pick<Answer, 'decodeMs' | 'drafted' | 'accepted'> & { tokens: number };

/** Two answers with the same tokens, one with guesses. */
interface Pair {
  with: Took;
  without: Took;
}

/** Tokens per second with guesses, in those without: of all pairs together, medians over the rounds. */
function faster(rounds: Pair[][]): number {
  return median(
    rounds.map((pairs) => rate(pairs.map((pair) => pair.with)) / rate(pairs.map((pair) => pair.without))),
  );
}

function rate(answers: Took[]): number {
  // The first token comes with the prompt.
  const tokens = answers.reduce((sum, answer) => sum + answer.tokens - 1, 0);
  return tokens / answers.reduce((sum, answer) => sum + answer.decodeMs, 0);
}

/** Of one more row in a run of few, in runs of one row: the least squares line from the run of one through what others take. */
interface Price {
  row: number;
  runs: Figures;
}

function figuresOf(name: string, rounds: Pair[][], { row }: Price): Figures {
  const all = rounds.flat().map((pair) => pair.with);
  const sum = (part: (answer: Took) => number): number =>
    all.reduce((total, answer) => total + part(answer), 0);
  // The first token of each answer comes with the prompt.
  const without = sum(({ tokens }) => tokens - 1);
  const runs = without - sum(({ accepted = 0 }) => accepted);
  const work = runs + row * sum(({ drafted = 0 }) => drafted);
  return {
    [`${name}_faster`]: faster(rounds),
    [`${name}_faster_by_work`]: without / work,
    [`${name}_runs_of_those_without`]: runs / without,
    [`${name}_accepted_of_drafted`]: `${sum(({ accepted = 0 }) => accepted) / rounds.length} of ${sum(({ drafted = 0 }) => drafted) / rounds.length}`,
    [`${name}_tokens`]: sum(({ tokens }) => tokens) / rounds.length,
  };
}

async function pair(answer: (draft: boolean) => Promise<Took>, round: number): Promise<Pair> {
  const first = await answer(round % 2 === 0);
  const second = await answer(round % 2 === 1);
  return round % 2 === 0 ? { with: first, without: second } : { with: second, without: first };
}

// The bundled model.

const FORM = {
  type: 'object',
  properties: {
    title: { type: 'string', maxLength: 60 },
    dark: { type: 'boolean' },
    buttons: {
      type: 'array',
      maxItems: 4,
      items: {
        type: 'object',
        properties: { text: { type: 'string', maxLength: 30 }, enabled: { type: 'boolean' } },
        required: ['text', 'enabled'],
      },
    },
  },
  required: ['title', 'dark', 'buttons'],
};

const ASKED: Record<string, { tool: string; args: object }[]> = {
  reading: [{ tool: 'ocr', args: { method: 'model' } }],
  json: [
    { tool: 'describe_image', args: { question: 'What does this window show?', schema: FORM } },
    {
      tool: 'describe_image',
      args: {
        question: 'Which texts are there?',
        schema: { type: 'array', items: { type: 'string', maxLength: 60 }, minItems: 5, maxItems: 10 },
      },
    },
  ],
  describing: [
    { tool: 'describe_image', args: {} },
    { tool: 'describe_image', args: { detail: 'full' } },
    { tool: 'describe_image', args: { question: 'What is this?' } },
  ],
};

interface Line extends Region {
  text: string;
}

/** The picture with another of its lines where one stood that is about as long. */
async function lineChanged(
  path: string,
  lines: readonly Line[],
  call: Call,
  folder: string,
): Promise<string> {
  const middle = lines[lines.length >> 1]!;
  const off = (line: Line): number =>
    line.text === middle.text ? Infinity : Math.abs(line.width - middle.width);
  const other = lines.toSorted((a, b) => off(a) - off(b))[0]!;
  const { data, width, height } = await (await loadImage(path, call.images)).pixels();
  const picture = sharp(data, { raw: { width, height, channels: 3 } });
  const part = { left: other.x, top: other.y, width: other.width, height: other.height };
  const input = await picture.clone().extract(part).raw().toBuffer();
  const changed = join(folder, basename(path));
  const raw = { width: other.width, height: other.height, channels: 3 } as const;
  await picture.composite([{ input, raw, left: middle.x, top: middle.y }]).toFile(changed);
  return changed;
}

async function ofStarter(options: BenchArguments): Promise<Figures> {
  const bench = await opened(options);
  const price = await rowPrice(bench.model);
  await bench.close();
  const figures: Figures = { dims: 'starter', ...price.runs };
  const examples = join(starterFolder(), 'examples');
  const images = readdirSync(examples).map((name) => join(examples, name));
  let draft = true;
  let answer: Answer | undefined;
  const sampling = LoadedModel.prototype.sampling;
  LoadedModel.prototype.sampling = function (options) {
    return { ...sampling.call(this, options), draft };
  };
  const asks = LocalSession.prototype.ask;
  LocalSession.prototype.ask = async function (...given) {
    return (answer = await asks.apply(this, given));
  };
  const starter = new Options(['--model', starterFolder()]);
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-draft-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await Terminal.use(starter, new AbortController().signal, { images: [], model: true }, async ({ call }) => {
    const put = async (
      tool: string,
      args: object,
      answered?: Room['answered'],
    ): Promise<Record<string, unknown>> => {
      const known = tools.find(({ name }) => name === tool)!;
      const { structured } = await runTool(known, args, { ...call, answered, onProgress: () => {} });
      return structured;
    };
    const next = new Map<string, string>();
    for (const image of images) {
      const { lines } = await put('ocr', { image, format: 'lines' });
      next.set(image, await lineChanged(image, lines as Line[], call, folder));
    }
    for (const [kind, asked] of Object.entries(ASKED)) {
      const rounds: Pair[][] = [];
      const again: Pair[][] = [];
      for (let round = 0; round <= ROUNDS; round++) {
        const asks = images.flatMap((image) => asked.map((question) => ({ image, ...question })));
        const pairs: Pair[] = [];
        const pairsAgain: Pair[] = [];
        for (const { image, tool, args } of asks) {
          const timed = (shown: string, answered?: Room['answered']): Promise<Pair> =>
            pair(async (drafts) => {
              draft = drafts;
              await put(tool, { image: shown, ...args }, answered);
              return { ...answer!, tokens: answer!.tokenIds.length };
            }, round);
          pairs.push(await timed(image));
          const answered = new Answered();
          await put(tool, { image, ...args }, answered);
          answered.keep = () => {};
          pairsAgain.push(await timed(next.get(image)!, answered));
        }
        for (const { with: fast, without } of [...pairs, ...pairsAgain])
          if (fast.tokens !== without.tokens) throw new Error('Guesses changed an answer.');
        // In the first round the pictures are looked at.
        if (round === 0) continue;
        rounds.push(pairs);
        again.push(pairsAgain);
      }
      Object.assign(figures, figuresOf(kind, rounds, price), figuresOf(`${kind}_again`, again, price));
    }
  });
  return figures;
}

// Real dimensions, random weights.

const RECORDS = {
  type: 'array',
  minItems: options.brief ? 2 : 6,
  maxItems: options.brief ? 2 : 6,
  items: {
    type: 'object',
    properties: {
      kind: { enum: ['button', 'checkbox', 'text field', 'link', 'menu item'] },
      enabled: { type: 'boolean' },
      row: { type: 'integer', minimum: 0, maximum: 99 },
      column: { type: 'integer', minimum: 0, maximum: 99 },
    },
    required: ['kind', 'enabled', 'row', 'column'],
  },
};

const FREE_TOKENS = options.brief ? 12 : 48;
const ROWS = [1, 2, 4, 8];

async function opened(options: BenchArguments): Promise<{ model: BenchModel; close(): Promise<void> }> {
  const { checkpoint, remove } = benchCheckpoint(options);
  const { precision, threads } = options;
  const model = new BenchModel({ checkpoint, precision, kvType: 'f16', threads });
  const close = async (): Promise<void> => {
    await model.engine.close();
    remove();
  };
  try {
    await model.load();
    return { model, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function rowPrice(bench: BenchModel): Promise<Price> {
  const prompt = syntheticPrompt(bench.model, [{ text: 300, seed: 1 }]);
  // Of the run alone: weighing the tokens of a choice takes time that guesses do not.
  const spent = (): number => Number(bench.engine.stats().decodeMs);
  const run = async (rows: number): Promise<number> => {
    const before = spent();
    await bench.ask(prompt, [], 0, [Int32Array.from({ length: rows }, (_, i) => 100 + i)]);
    return spent() - before;
  };
  const times = ROWS.map(() => [] as number[]);
  // Several of a kind follow one another, as they do in an answer.
  for (let round = 0; round < 2 * ROUNDS; round++)
    for (const [i, rows] of ROWS.entries())
      for (let burst = 0; burst < 4; burst++) times[i]!.push(await run(rows));
  // What disturbs only adds.
  const best = times.map((all) => Math.min(...all));
  const more = best.map((ms) => ms / best[0]! - 1);
  const runs = Object.fromEntries(
    ROWS.slice(1).map((rows, i) => [`run_of_${rows}_rows_in_runs_of_one`, 1 + more[i + 1]!]),
  );
  const sum = (of: (rows: number, i: number) => number): number =>
    ROWS.reduce((total, rows, i) => total + of(rows - 1, i), 0);
  const row = sum((rows, i) => rows * more[i]!) / sum((rows) => rows ** 2);
  return { row, runs: { ...runs, row_in_runs_of_one: row } };
}

async function ofRandom(options: BenchArguments): Promise<Figures> {
  const { model: bench, close } = await opened(options);
  try {
    const price = await rowPrice(bench);
    const { bytes, ends } = vocabulary(256);
    await bench.engine.setVocabulary(bytes, ends);
    const prompt = syntheticPrompt(bench.model, [{ text: 300, seed: 1 }]);
    const took = ({ decodeMs, drafted, accepted, tokens }: NativeResult): Took => ({
      ...{ decodeMs, drafted, accepted },
      tokens: tokens.length,
    });
    const grammar = { ...compileSchema(RECORDS), begun: new Int32Array(0) };
    let seed = 0;
    const asked: Record<string, (draft: boolean) => Promise<Took>> = {
      records: async (draft) => took(await bench.ask(prompt, [], 600, [], { draft, grammar })),
      free: async (draft) =>
        took(await bench.ask(prompt, [], FREE_TOKENS, [], { draft, temperature: 1, seed: seed >> 1 })),
    };
    const figures: Figures = { dims: options.dims, backend: bench.backend, ...price.runs };
    for (const [kind, answer] of Object.entries(asked)) {
      const rounds: Pair[][] = [];
      const before = bench.engine.stats();
      for (let round = 0; round < ROUNDS; round++, seed += 2) rounds.push([await pair(answer, round)]);
      const after = bench.engine.stats();
      const spent = (counter: string): number => Number(after[counter]) - Number(before[counter]);
      Object.assign(figures, figuresOf(kind, rounds, price), {
        [`${kind}_guessing_percent_of_the_runs`]: (100 * 2 * spent('guessMs')) / spent('decodeMs'),
      });
    }
    return figures;
  } finally {
    await close();
  }
}

const figures = options.dims === 'starter' ? await ofStarter(options) : await ofRandom(options);
report(`draft ${options.dims}`, figures, options, 2);
