// npm run bench:schema -- --dims qwen2-vl-2b|smolvlm-256m [--bits 4] [--threads N] [--brief] [--json] [--write]
// What an answer by a schema costs per token, as a share of a decode step of the same model: with 151,936 tokens to look
// through, whatever the model's own vocabulary is, greedy and sampled. The engine counts the time in which it takes tokens
// from logits apart from that of its runs, so that a run that is held up does not count; medians of answers that alternate
// with free ones. All that a grammar costs is in the first, its first look through the vocabulary too.
// --brief: two rounds instead of seven, 12 tokens instead of 48: 288 steps instead of 4,032. The first look weighs four times
// as much in each token then, so shares are rather too high than too low.
import { compileSchema } from '../src/schema/compile.js';
import { benchArguments, benchCheckpoint, type BenchArguments } from './arguments.js';
import { BenchModel } from './native-model.js';
import { median, report, type Figures } from './figures.js';
import { syntheticPrompt } from './synthetic-prompt.js';
import { vocabulary } from './vocabulary.js';

const options = benchArguments();
const [ROUNDS, ANSWER] = options.brief ? [2, 12] : [7, 48];
/** Room for the longest of them. */
const MOST = 6000;

/** Kinds of answers: text of any length, text of a certain length, and a record of several fields. */
const SCHEMAS = {
  text: { type: 'string', minLength: 4000 },
  text_of_certain_length: { type: 'string', minLength: 400, maxLength: 500 },
  record: {
    type: 'array',
    minItems: 99,
    items: {
      type: 'object',
      properties: {
        name: { type: 'string', pattern: '^[A-Z][a-z]+$' },
        count: { type: 'integer' },
        open: { type: 'boolean' },
      },
      required: ['name', 'count', 'open'],
    },
  },
};

/** Milliseconds for each token of an answer. */
interface Cost {
  /** Of the run through the decoder. */
  run: number;
  /** Of taking the token from its row of logits, the grammar included. */
  sample: number;
}

async function measure(options: BenchArguments): Promise<Figures> {
  const { checkpoint, remove } = benchCheckpoint(options);
  try {
    const { precision, threads } = options;
    const bench = new BenchModel({ checkpoint, precision, kvType: 'f16', threads });
    await bench.load();
    const { bytes, ends } = vocabulary(151_936);
    await bench.engine.setVocabulary(bytes, ends);
    const prompt = syntheticPrompt(bench.model, [{ text: 24, seed: 1 }]);
    const cost = async (temperature: number, schema?: object): Promise<Cost> => {
      const grammar = schema && { ...compileSchema(schema), begun: new Int32Array(0) };
      const before = bench.engine.stats();
      const asked = { temperature, ...(grammar && { grammar }) };
      const { tokens } = await bench.ask(prompt, [], MOST, [], asked, ANSWER);
      const after = bench.engine.stats();
      const spent = (name: string): number => Number(after[name]) - Number(before[name]);
      return { run: spent('decodeMs') / spent('decodeRows'), sample: spent('sampleMs') / tokens.length };
    };
    const figures: Figures = { dims: options.dims, backend: bench.backend };
    for (const [name, schema] of Object.entries(SCHEMAS)) {
      for (const temperature of [0, 1]) {
        const [free, held]: [Cost[], Cost[]] = [[], []];
        for (let round = 0; round < ROUNDS; round++) {
          free.push(await cost(temperature));
          held.push(await cost(temperature, schema));
        }
        const sample = (costs: Cost[]): number => median(costs.map((one) => one.sample));
        const step = median(free.map(({ run, sample }) => run + sample));
        if (temperature === 0) figures['decode_step_ms'] ??= step;
        figures[`${name}${temperature > 0 ? '_sampled' : ''}_percent_of_a_step`] =
          (100 * (sample(held) - sample(free))) / step;
      }
    }
    await bench.engine.close();
    return figures;
  } finally {
    remove();
  }
}

report(`schema ${options.dims}`, await measure(options), options, 2);
