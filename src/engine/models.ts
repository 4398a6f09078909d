// Which models a server has, by name, and the engine that answers for each.
import { AfterimageError } from '../errors.js';
import type { Engine, ModelInfo } from './engine.js';

export interface ServedModel {
  name: string;
  state: 'absent' | 'loading' | 'ready' | 'failed';
  /** Null while it is not loaded. */
  info: ModelInfo | null;
}

export interface Models {
  /** @param name Absent: the one that is meant where none is named. @throws AfterimageError MODEL_NOT_FOUND */
  engine(name?: string): Promise<Engine>;
  list(): ServedModel[];
}

/** What clients call the model that is simply there. */
export const ANY: ReadonlySet<string> = new Set(['', 'default', 'afterimage']);

/** One model for all, whatever holds it. */
export class OneModel implements Models {
  readonly #engine: Engine;
  readonly #name: string | undefined;

  /** @param name Known before the model is loaded, where its engine is here. */
  constructor(engine: Engine, name?: string) {
    this.#engine = engine;
    this.#name = name;
  }

  async engine(name?: string): Promise<Engine> {
    if (name === undefined || ANY.has(name)) return this.#engine;
    const known = this.#nameKnown() ?? (await this.#engine.ready()).name;
    if (name === known || name === known.split('/').at(-1)) return this.#engine;
    throw new AfterimageError(
      'MODEL_NOT_FOUND',
      `There is no model "${name.slice(0, 200)}" here; name "${known}" or "default".`,
    );
  }

  list(): ServedModel[] {
    const { model, state } = this.#engine.status();
    const name = this.#nameKnown() ?? 'default';
    return [{ name, info: model, state: state === 'idle' || state === 'closed' ? 'absent' : state }];
  }

  #nameKnown(): string | undefined {
    return this.#engine.status().model?.name ?? this.#name;
  }
}
