// A provider behind the proxy that writes down what it gets and does as it is told.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { loopback, type Loopback } from './loopback.js';

export interface Got {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  rawHeaders: string[];
  body: string;
}

export interface Provider extends Loopback {
  got: Got[];
  /** Bodies are only counted: joining large ones takes its time. */
  counts: boolean;
  received: number;
  /** Answers whose client hung up. */
  left: number;
  answer: (response: ServerResponse, got: Got) => void | Promise<void>;
}

type Script = Omit<Provider, keyof Loopback>;

export async function provider(): Promise<Provider> {
  const state: Script = {
    got: [],
    counts: false,
    received: 0,
    left: 0,
    answer: (response) => void response.end('{}'),
  };
  return Object.assign(state, await loopback((request, response) => void serve(request, response, state)));
}

async function serve(request: IncomingMessage, response: ServerResponse, state: Script): Promise<void> {
  response.once('close', () => {
    if (!response.writableFinished) state.left++;
  });
  const parts: Buffer[] = [];
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      state.received += part.length;
      if (!state.counts) parts.push(part);
    }
  } catch {
    return;
  }
  const { method, url, headers, rawHeaders } = request;
  const got = { method: method!, url: url!, headers, rawHeaders, body: Buffer.concat(parts).toString() };
  state.got.push(got);
  await state.answer(response, got);
}
