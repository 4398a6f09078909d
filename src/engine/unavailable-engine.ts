// Stands in for an engine that cannot be had: a server whose model is not there goes on, and each call says why.
import type { AfterimageError } from '../errors.js';
import type { Engine, EngineStatus, ModelInfo, Session } from './engine.js';

export class UnavailableEngine implements Engine {
  #closed = false;

  readonly #reason: AfterimageError;

  constructor(reason: AfterimageError) {
    this.#reason = reason;
  }

  ready(): Promise<ModelInfo> {
    return Promise.reject(this.#reason);
  }

  open(): Session {
    const refuse = () => Promise.reject(this.#reason);
    return { id: 'unavailable', ask: refuse, fork: () => this.open(), close: () => {} };
  }

  warm(): Promise<void> {
    return Promise.reject(this.#reason);
  }

  status(): EngineStatus {
    return { model: null, state: this.#closed ? 'closed' : 'failed', sessions: 0, cache: {} };
  }

  async tree(): Promise<null> {
    return null;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}
