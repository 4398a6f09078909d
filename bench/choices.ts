// npm run bench:choices -- --dims qwen2-vl-2b|smolvlm-256m [--bits 4] [--image 1280x800] [--threads N] [--json] [--write]
// What choices cost beyond their prompt, in decode steps of the same model, on an image that was seen before: two of one
// token, and 32 of three. Medians of questions that alternate with an answer.
import { benchArguments, benchCheckpoint, type BenchArguments } from './arguments.js';
import { BenchModel } from './native-model.js';
import { median, report, type Figures } from './figures.js';
import { syntheticImage, syntheticPrompt } from './synthetic-prompt.js';

const ROUNDS = 9;
const ANSWER = 17;

async function measure(options: BenchArguments): Promise<Figures> {
  const { checkpoint, remove } = benchCheckpoint(options);
  try {
    const { precision, threads } = options;
    const bench = new BenchModel({ checkpoint, precision, kvType: 'f16', threads });
    await bench.load();
    const image = syntheticImage(bench.model, options.width, options.height, 1);
    let questions = 0;
    const beyondPrompt = async (tokens: number, choices: Int32Array[] = []): Promise<number> => {
      const parts = [{ text: 24, seed: 1 }, { image }, { text: 24, seed: 10 + questions++ }];
      return (await bench.ask(syntheticPrompt(bench.model, parts), [image], tokens, choices)).decodeMs;
    };
    await beyondPrompt(1);
    const [steps, yesOrNo, many]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < ROUNDS; round++) {
      // The first token comes with the prompt.
      steps.push((await beyondPrompt(ANSWER)) / (ANSWER - 1));
      yesOrNo.push(await beyondPrompt(0, [Int32Array.of(100), Int32Array.of(200)]));
      const thirtyTwo = Array.from({ length: 32 }, (_, i) => Int32Array.of(100 + i, 200 + i, 300 + i));
      many.push(await beyondPrompt(0, thirtyTwo));
    }
    await bench.engine.close();
    return {
      dims: options.dims,
      backend: bench.backend,
      decode_step_ms: median(steps),
      yes_or_no_in_decode_steps: median(yesOrNo) / median(steps),
      thirty_two_of_three_tokens_in_decode_steps: median(many) / median(steps),
    };
  } finally {
    remove();
  }
}

const options = benchArguments();
report(`choices ${options.dims}`, await measure(options), options, 2);
