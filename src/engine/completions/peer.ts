// What two Afterimages say to each other beside the chat completions that everyone speaks: exact continuation, how sure
// the model was, stages, the cache report. Neither side needs it, and neither trusts what it hears.
import * as z from 'zod';
import type { Answer, EngineStatus, Progress } from '../engine.js';
import { answer, askOptions, engineStatus, modelInfo, progress } from '../remote/messages.js';

/** Field of requests, events and models; also who owns the models of such a server. */
export const PEER = 'afterimage';

/** Where one asks that a model be loaded, and where an answer is stopped, below the API's base. */
export const LOAD_PATH = '/models/load';
export const STOP_PATH = '/chat/completions/stop';

const callName = z.string().regex(/^[0-9a-f]{32}$/);

/** In a request for a completion: what chat completions have no word for. */
export const peerRequest = z.strictObject({
  /** Names the call where it is to be stopped: 128 random bits. */
  call: callName,
  options: askOptions.pick({ certainty: true, continues: true, choices: true }).optional(),
  /** Only compute the images, when nothing else is to be done. */
  warm: z.boolean().optional(),
});

export const stopRequest = z.object({ call: callName });
export const loadRequest = z.object({ model: z.string().optional() });

/** In an event: a stage of the work, or at the end the whole answer and the engine's state. */
export const peerEvent = z.union([
  z.object({ progress }),
  z.object({ answer: answer.omit({ text: true }), text: z.string(), status: engineStatus }),
]);

/** In a model of the list; null while it is not loaded. */
export const peerModel = modelInfo.nullable();

export type PeerRequest = z.infer<typeof peerRequest>;

/** As it is said; `peerEvent` is how it is heard. */
export type PeerEvent =
  { progress: Progress } | { answer: Omit<Answer, 'text'>; text: string; status: EngineStatus };
