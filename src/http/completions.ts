// POST /v1/chat/completions: a request read, its images loaded, one question to the engine, its answer whole or streamed.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AfterimageError } from '../errors.js';
import { PEER, stopRequest, type PeerEvent } from '../engine/completions/peer.js';
import type { Watched } from '../ask/activity.js';
import type { Answer, AskOptions, Engine } from '../engine/engine.js';
import type { Models } from '../engine/models.js';
import type { App } from '../mcp/app.js';
import { busy } from '../mcp/held-bytes.js';
import { Bodies } from './body.js';
import { conversationOf, type Conversation } from './chat-messages.js';
import { chunk, completion, finish, logprobsOf, usageChunk, type Heading } from './chat-reply.js';
import { readChatRequest, type ChatRequest } from './chat-request.js';
import { EventStream } from './event-stream.js';
import type { Failure } from './failures.js';
import { sendJson } from './respond.js';
import type { Metrics } from './metrics.js';

/** Completions begun and not ended; the engine lets them wait in its own order. */
const MOST_AT_ONCE = 256;

export interface CompletionLimits {
  /** Images of one request. */
  mostImages: number;
  /** Bytes of one of them. */
  imageBytes: number;
  /** Bytes of one body. */
  bodyBytes: number;
}

interface Asked {
  request: ChatRequest;
  conversation: Conversation;
  engine: Engine;
  heading: Heading;
  signal: AbortSignal;
  watched: Watched;
  response: ServerResponse;
}

export class Completions {
  readonly #models: Models;
  readonly #metrics: Metrics;
  readonly #limits: CompletionLimits;
  readonly #bodies: Bodies;
  #running = 0;
  /** Of peers that may stop them, by their client and name. */
  readonly #stoppable = new Map<string, AbortController>();

  constructor(models: Models, metrics: Metrics, limits: CompletionLimits) {
    this.#models = models;
    this.#metrics = metrics;
    this.#limits = limits;
    this.#bodies = new Bodies(limits.bodyBytes);
  }

  /** @throws AfterimageError before anything has been answered. */
  async answer(request: IncomingMessage, response: ServerResponse, app: App): Promise<void> {
    if (this.#running >= MOST_AT_ONCE) throw busy();
    const gone = new AbortController();
    const leave = (): void => {
      if (!response.writableFinished) gone.abort();
    };
    response.once('close', leave);
    this.#running++;
    const counted = this.#metrics.completion();
    const watched = app.activity.begin('chat completion');
    let answer: Answer | undefined;
    try {
      const asked = await this.#bodies.read(request, (json) =>
        this.#asked(json, response, app, gone, watched),
      );
      answer = await this.#stoppably(asked, app, gone, () => this.#ask(asked, counted.firstText));
    } finally {
      this.#running--;
      counted.ended(answer);
      watched.ended();
      response.off('close', leave);
    }
  }

  /** Ends an answer with what there is of it, at its peer's wish. */
  async stop(request: IncomingMessage, response: ServerResponse, app: App): Promise<void> {
    const { data } = await this.#bodies.read(request, async (json) => stopRequest.safeParse(json));
    const running = data && this.#stoppable.get(keyOf(app, data.call));
    running?.abort();
    sendJson(response, running ? 200 : 404, { stopped: running !== undefined });
  }

  async #asked(
    json: unknown,
    response: ServerResponse,
    app: App,
    gone: AbortController,
    watched: Watched,
  ): Promise<Asked> {
    const request = readChatRequest(json);
    const engine = await this.#models.engine(request.model);
    const { mostImages, imageBytes } = this.#limits;
    const images = { ...app.images, limits: { ...app.images.limits, maxBytes: imageBytes } };
    const { drawings, reader, elements } = app;
    const conversation = await conversationOf(request.messages, {
      ...{ images, drawings, mostImages, engine, reader, elements },
      signal: gone.signal,
      reads: request.peer !== undefined,
    });
    const { name: model } = await engine.ready();
    const id = `chatcmpl-${randomBytes(16).toString('hex')}`;
    const heading = { id, created: Math.floor(Date.now() / 1000), model };
    return { request, conversation, engine, heading, signal: gone.signal, watched, response };
  }

  async #stoppably<T>(asked: Asked, app: App, gone: AbortController, run: () => Promise<T>): Promise<T> {
    const { peer } = asked.request;
    if (!peer) return run();
    const stop = new AbortController();
    asked.signal = AbortSignal.any([gone.signal, stop.signal]);
    const key = keyOf(app, peer.call);
    this.#stoppable.set(key, stop);
    try {
      return await run();
    } finally {
      this.#stoppable.delete(key);
    }
  }

  async #ask(asked: Asked, onFirstText: () => void): Promise<Answer | undefined> {
    const { request, response, engine, conversation, signal } = asked;
    if (request.peer?.warm) {
      await engine.warm(conversation.images, signal);
      return void sendJson(response, 200, {});
    }
    return request.stream ? this.#stream(asked, onFirstText) : this.#whole(asked, onFirstText);
  }

  async #whole(asked: Asked, onFirstText: () => void): Promise<Answer> {
    const { request, heading, response } = asked;
    const answer = await answered(asked, { onText: once(onFirstText) });
    sendJson(response, 200, completion(heading, answer, request.options.certainty === true));
    return answer;
  }

  async #stream(asked: Asked, onFirstText: () => void): Promise<Answer | undefined> {
    const { request, heading, response, engine } = asked;
    const stream = new EventStream(response);
    const speaker = new Speaker(stream, heading, request);
    const first = once(onFirstText);
    try {
      const answer = await answered(asked, {
        onText: (text) => {
          first();
          speaker.text(text);
        },
        ...(request.peer && { onProgress: (progress) => speaker.peer({ progress }) }),
      });
      speaker.end(answer);
      const { text, ...rest } = answer;
      if (request.peer) speaker.peer({ answer: rest, text, status: engine.status() });
      stream.end();
      return answer;
    } catch (error) {
      stream.stop();
      if (!stream.begun) throw error;
      throw new BrokenOff(stream, error);
    }
  }
}

/** An error after the answer had begun: the status is out, so the stream itself has to say it. */
export class BrokenOff extends Error {
  readonly #stream: EventStream;

  constructor(stream: EventStream, cause: unknown) {
    super('The stream broke off', { cause });
    this.#stream = stream;
  }

  tell(failure: Failure): void {
    this.#stream.send(failure.body);
    this.#stream.end();
  }
}

/** Says an answer in chunks. */
class Speaker {
  readonly #stream: EventStream;
  readonly #heading: Heading;
  readonly #request: ChatRequest;
  #greeted = false;

  constructor(stream: EventStream, heading: Heading, request: ChatRequest) {
    this.#stream = stream;
    this.#heading = heading;
    this.#request = request;
  }

  /** How probable tokens were is known at the end, so then they are said. A peer reads it from the whole answer. */
  get #later(): boolean {
    return this.#request.options.certainty === true && !this.#request.peer;
  }

  text(content: string): void {
    if (this.#later) return;
    this.#greet();
    this.#stream.send(chunk(this.#heading, { content }));
  }

  end(answer: Answer): void {
    this.#greet();
    if (this.#later) {
      for (const token of logprobsOf(answer).content)
        this.#stream.send(
          chunk(this.#heading, { content: token.token }, { logprobs: { content: [token], refusal: null } }),
        );
    }
    this.#stream.send(chunk(this.#heading, {}, finish(answer.stopReason)));
    if (this.#request.includeUsage) this.#stream.send(usageChunk(this.#heading, answer));
  }

  peer(event: PeerEvent): void {
    this.#stream.send({ ...this.#heading, object: 'chat.completion.chunk', choices: [], [PEER]: event });
  }

  #greet(): void {
    if (this.#greeted) return;
    this.#greeted = true;
    this.#stream.send(chunk(this.#heading, { role: 'assistant', content: '' }));
  }
}

async function answered(
  { request, conversation, engine, signal, watched }: Asked,
  hooks: Pick<AskOptions, 'onText' | 'onProgress'>,
): Promise<Answer> {
  const session = engine.open();
  try {
    const answer = await session.ask(conversation.messages, {
      ...request.options,
      ...hooks,
      onProgress: (progress) => {
        watched.progress(progress);
        hooks.onProgress?.(progress);
      },
      signal,
    });
    // Ended by neither the client nor a peer: the server is being closed.
    if (answer.stopReason === 'cancelled' && !signal.aborted)
      throw new AfterimageError('CLOSED', 'The server is closing; ask again when it is back.');
    return answer;
  } finally {
    session.close();
  }
}

/** Names of calls are their client's own. */
const clients = new WeakMap<App, string>();

function keyOf(app: App, call: string): string {
  let client = clients.get(app);
  if (client === undefined) clients.set(app, (client = randomBytes(8).toString('hex')));
  return `${client} ${call}`;
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (!done) run();
    done = true;
  };
}
