// Loads the starter model in a worker thread and says how many tokens it answered, or that it is in the middle of it.
import { parentPort, workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
const { LocalEngine } = await import('../../src/engine/local-engine.ts');
const { systemMessage } = await import('../../src/prompt/layout.ts');
const engine = new LocalEngine({ threads: 1 });
const messages = [systemMessage(), { role: 'user', content: [{ type: 'text', text: 'Read the text.' }] }];
const onText = workerData.terminate ? () => parentPort.postMessage('answering') : undefined;
const answer = await engine.open().ask(messages, { maxTokens: workerData.terminate ? 2000 : 5, onText });
await engine.close();
parentPort.postMessage(answer.tokenIds.length);
