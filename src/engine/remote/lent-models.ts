// Which models a resident process holds, for whoever asks it.
import * as z from 'zod';
import type { Models } from '../models.js';
import type { Service } from './guest.js';
import { imagesCall, replyOf } from './messages.js';
import type { RemoteEngine } from './remote-engine.js';
import { exchange } from './wire.js';

const MOST_MODELS = 1000;

const LOADED = exchange('models', imagesCall, replyOf(z.array(z.string().max(512)).max(MOST_MODELS)));

/** What the resident process offers its guests beside the engine. */
export function modelsService(models: Models): Service {
  const loaded = () => models.list().filter(({ state }) => state === 'ready');
  return {
    exchange: LOADED,
    run: async () =>
      loaded()
        .map(({ name }) => name)
        .slice(0, MOST_MODELS),
  };
}

/** Names of those that are loaded there. @throws AfterimageError ENGINE_UNREACHABLE, ENGINE_INCOMPATIBLE */
export function loadedThere(engine: RemoteEngine): Promise<string[]> {
  return engine.call({ images: [] }, [], {
    send: (connection, call, token) => connection.sendRequest(LOADED.type, { call, images: [] }, token),
    answered: LOADED.answered,
  });
}
