// A server that speaks chat completions exactly and does as it is told, one step for each request: answers, and everything
// that goes wrong with servers. A request that is not as it should be is a failed test.
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import sharp from 'sharp';
import { loopback, type Loopback } from '../http/loopback.js';
import type { Json } from '../mcp/clients.js';

/** What the next completion does; after the last step it answers. */
export type Step =
  | { say: string[]; finish?: string; usage?: unknown; timings?: unknown; waitMs?: number }
  | { status: number; body?: unknown; headers?: Record<string, string> }
  /** Says this much and hangs up; `null`: at once. */
  | { cut: string[] | null }
  /** Raw lines in place of events. */
  | { raw: string }
  | { silent: true };

export interface ScriptedServer extends Loopback {
  /** Bodies of completions as they came. */
  asked: Json[];
  /** Paths that were asked for. */
  paths: string[];
  keys: (string | undefined)[];
  steps: Step[];
  /** Answers to GET and other POST requests, by path. */
  others: Record<string, unknown>;
  /** Completions whose client hung up. */
  left: number;
}

export const MODELS = (owned_by: string, more: object = {}) => ({
  object: 'list',
  data: [{ id: 'seer', object: 'model', created: 1, owned_by, ...more }],
});

type Script = Omit<ScriptedServer, keyof Loopback>;

export async function scriptedServer(models: unknown = MODELS('vllm'), port = 0): Promise<ScriptedServer> {
  const state: Script = {
    asked: [],
    paths: [],
    keys: [],
    steps: [],
    others: { '/v1/models': models },
    left: 0,
  };
  const served = await loopback((request, response) => void serve(request, response, state), port);
  return Object.assign(state, served);
}

async function serve(request: IncomingMessage, response: ServerResponse, state: Script): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  const path = request.url!;
  state.paths.push(path);
  state.keys.push(request.headers.authorization);
  if (path !== '/v1/chat/completions') {
    const found = state.others[path];
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' });
    return void response.end(JSON.stringify(found ?? { error: { message: 'Not found' } }));
  }
  const body = JSON.parse(Buffer.concat(parts).toString()) as Json;
  response.once('close', () => {
    if (!response.writableFinished) state.left++;
  });
  if (body.stream !== true) return await whole(body, response);
  state.asked.push(body);
  check(body);
  await act(state.steps.shift() ?? { say: ['Seen', '.'] }, body, response);
}

/** Probes and warming. */
async function whole(body: Json, response: ServerResponse): Promise<void> {
  for (const [, png] of JSON.stringify(body.messages).matchAll(/data:image\/png;base64,([^"]*)/g))
    await sharp(Buffer.from(png!, 'base64')).raw().toBuffer();
  if (!['seer', 'other'].includes(body.model)) {
    response.writeHead(404, { 'content-type': 'application/json' });
    return void response.end(JSON.stringify({ error: { message: 'No such model' } }));
  }
  const images = JSON.stringify(body.messages).split('image_url"').length - 1;
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      ...HEAD,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'length' }],
      usage: { prompt_tokens: images > 0 && body.model === 'seer' ? 80 : 10, completion_tokens: 1 },
    }),
  );
}

function check(body: Json): void {
  assert.equal(typeof body.model, 'string');
  assert.equal(body.stream_options.include_usage, true);
  assert.ok(body.max_tokens > 0);
  for (const { role, content } of body.messages) {
    if (role !== 'user') {
      assert.equal(typeof content, 'string');
      continue;
    }
    const kinds = content.map(({ type }: Json) => type);
    assert.deepEqual([...kinds].sort(), kinds, 'images come before the text');
    for (const { image_url } of content.filter(({ type }: Json) => type === 'image_url'))
      assert.ok(image_url === null || image_url.url.startsWith('data:image/png;base64,'));
  }
}

const HEAD = { id: 'chatcmpl-1', created: 1, model: 'seer' };

async function act(step: Step, body: Json, response: ServerResponse): Promise<void> {
  if ('silent' in step) return;
  if ('status' in step) {
    response.writeHead(step.status, { 'content-type': 'application/json', ...step.headers });
    return void response.end(JSON.stringify(step.body ?? { error: { message: `Status ${step.status}` } }));
  }
  if ('cut' in step && step.cut === null) return void response.destroy();
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  if ('raw' in step) return void response.end(step.raw);
  const send = (event: object) =>
    response.write(`data: ${JSON.stringify({ ...HEAD, object: 'chat.completion.chunk', ...event })}\n\n`);
  const choice = (delta: object, finish_reason: string | null = null) => [{ index: 0, delta, finish_reason }];
  send({ choices: choice({ role: 'assistant', content: '' }) });
  const words = 'cut' in step ? step.cut! : step.say;
  for (const content of words) {
    if ('say' in step && step.waitMs) await new Promise((resolve) => setTimeout(resolve, step.waitMs));
    if (response.destroyed) return;
    send({ choices: choice({ content }) });
  }
  if ('cut' in step) return void setTimeout(() => response.destroy(), 20);
  send({
    choices: choice({}, step.finish ?? 'stop'),
    ...(step.timings !== undefined && { timings: step.timings }),
  });
  send({
    choices: [],
    usage: step.usage ?? { prompt_tokens: 100, completion_tokens: words.length, total_tokens: 0 },
  });
  response.end('data: [DONE]\n\n');
  void body;
}
