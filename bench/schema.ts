// npm run bench:schema -- --dims qwen2-vl-2b|smolvlm-256m [--bits 4] [--threads N] [--json] [--write]
// What an answer by a schema costs per token, as a share of a decode step of the same model: with 151,936 tokens to look
// through, whatever the model's own vocabulary is, greedy and sampled. Medians of answers that alternate with free ones.
import { compileSchema } from '../src/schema/compile.js';
import { benchArguments, benchCheckpoint, type BenchArguments } from './arguments.js';
import { BenchModel } from './native-model.js';
import { median, report, type Figures } from './figures.js';
import { syntheticPrompt } from './synthetic-prompt.js';
import { vocabulary } from './vocabulary.js';

const ROUNDS = 3;
const ANSWER = 24;
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

async function measure(options: BenchArguments): Promise<Figures> {
  const { checkpoint, remove } = benchCheckpoint(options);
  try {
    const { precision, threads } = options;
    const bench = new BenchModel({ checkpoint, precision, kvType: 'f16', threads });
    await bench.load();
    const { bytes, ends } = vocabulary(151_936);
    await bench.engine.setVocabulary(bytes, ends);
    const prompt = syntheticPrompt(bench.model, [{ text: 24, seed: 1 }]);
    const step = async (temperature: number, schema?: object): Promise<number> => {
      const grammar = schema && { ...compileSchema(schema), begun: new Int32Array(0) };
      const options = { temperature, ...(grammar && { grammar }) };
      const { decodeMs, tokens } = await bench.ask(prompt, [], MOST, [], options, ANSWER);
      return decodeMs / (tokens.length - 1);
    };
    const figures: Figures = { dims: options.dims, backend: bench.backend };
    for (const [name, schema] of Object.entries(SCHEMAS)) {
      for (const temperature of [0, 1]) {
        const [free, held]: [number[], number[]] = [[], []];
        for (let round = 0; round < ROUNDS; round++) {
          free.push(await step(temperature));
          held.push(await step(temperature, schema));
        }
        figures['decode_step_ms'] ??= median(free);
        const share = (100 * (median(held) - median(free))) / median(free);
        figures[`${name}${temperature > 0 ? '_sampled' : ''}_percent_of_a_step`] = share;
      }
    }
    await bench.engine.close();
    return figures;
  } finally {
    remove();
  }
}

const options = benchArguments();
report(`schema ${options.dims}`, await measure(options), options, 2);
