// node --import tsx bench/answers.ts MODEL: answers to questions that come as lines of JSON on stdin,
// {images: [file], question, most}, as lines of JSON on stdout, {answer}. What training/evaluate.py measures.
import { createInterface } from 'node:readline';
import { LocalEngine } from '../src/engine/local-engine.js';
import { createImageContext, loadImage } from '../src/image/load.js';
import { systemMessage, userMessage } from '../src/prompt/layout.js';

interface Request {
  images: string[];
  question: string;
  most: number;
}

const engine = new LocalEngine({ model: process.argv[2] });
const context = createImageContext({ folders: 'everywhere', cwd: process.cwd() });
for await (const line of createInterface({ input: process.stdin })) {
  const { images, question, most } = JSON.parse(line) as Request;
  const pictures = await Promise.all(images.map((file) => loadImage(file, context)));
  const session = engine.open();
  const answer = await session.ask([systemMessage(), userMessage(pictures, question)], { maxTokens: most });
  session.close();
  process.stdout.write(`${JSON.stringify({ answer: answer.text })}\n`);
}
await engine.close();
