// node --import tsx bench/answers.ts MODEL: tool calls that come as lines of JSON on stdin, {tool, args}, and their
// answers as lines of JSON on stdout, {answer}. What training/evaluate.py measures.
import { createInterface } from 'node:readline';
import { Terminal } from '../src/cli/terminal.js';
import { Options } from '../src/cli/options.js';
import { runTool } from '../src/ask/run-tool.js';
import { tools } from '../tools/index.js';

interface Request {
  tool: string;
  args: Record<string, unknown>;
}

const options = new Options(['--model', process.argv[2]!]);
const ahead = { images: [], model: true };
await Terminal.use(options, new AbortController().signal, ahead, async ({ call }) => {
  for await (const line of createInterface({ input: process.stdin })) {
    const { tool: name, args } = JSON.parse(line) as Request;
    const tool = tools.find((known) => known.name === name)!;
    const { structured } = await runTool(tool, args, { ...call, onProgress: () => {} });
    process.stdout.write(`${JSON.stringify({ answer: structured['answer'] })}\n`);
  }
});
