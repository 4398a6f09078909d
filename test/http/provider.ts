// A provider behind the proxy that writes down what it gets and does as it is told.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Got {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  rawHeaders: string[];
  body: string;
}

export interface Provider {
  url: string;
  got: Got[];
  /** Bodies are only counted: joining large ones takes its time. */
  counts: boolean;
  received: number;
  /** Answers whose client hung up. */
  left: number;
  answer: (response: ServerResponse, got: Got) => void | Promise<void>;
  close(): Promise<void>;
}

export async function provider(): Promise<Provider> {
  const state: Omit<Provider, 'url' | 'close'> = {
    got: [],
    counts: false,
    received: 0,
    left: 0,
    answer: (response) => void response.end('{}'),
  };
  const listener = createServer((request, response) => void serve(request, response, state));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return Object.assign(state, {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    close: async () => {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  state: Omit<Provider, 'url' | 'close'>,
): Promise<void> {
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
