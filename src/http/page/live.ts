// What goes on in this server, as the page watches it: counters as the engine has them, calls as they are, models, and
// what the cache holds. Nothing of what others ask.
import type { Doing } from '../../ask/activity.js';
import type { Engine, EngineStatus } from '../../engine/engine.js';
import type { Models, ServedModel } from '../../engine/models.js';
import type { App } from '../../mcp/app.js';
import type { Download, Downloads } from './downloads.js';
import { prefixesOf, type Prefixes } from './prefixes.js';

export interface LiveModel {
  name: string;
  state: ServedModel['state'];
  bundled?: boolean;
  parameters?: number;
  precision?: string;
  backend?: string;
}

export interface Live {
  /** Milliseconds since 1970. */
  at: number;
  engine: Pick<EngineStatus, 'state' | 'cache' | 'budgets'> & { model: string | null };
  calls: Doing[];
  /** First the one that is meant where none is named. */
  models: LiveModel[];
  /** Absent where this server downloads nothing. */
  downloads?: Download[];
  /** Null where the engine has no tree of its own, or none is loaded. */
  prefixes: Prefixes | null;
}

export interface Watching {
  app: App;
  models: Models;
  downloads: Downloads | undefined;
  /** Whose counters are shown. */
  engine: Engine;
}

/** Reading the folders of models takes longer than all else; they seldom change. */
const MODELS_MS = 1500;

/** @returns a function that looks again. */
export function watcher({ app, models, downloads, engine }: Watching): () => Promise<Live> {
  let [listed, lookedAt] = [[] as LiveModel[], -Infinity];
  let loading: Download[] | undefined;
  const prefixes = prefixesOf(engine, app);
  return async () => {
    const now = performance.now();
    if (now - lookedAt >= MODELS_MS) {
      lookedAt = now;
      listed = models.list().map(brief);
      loading = await downloads?.list();
    }
    const { state, cache, budgets, model: info } = engine.status();
    return {
      at: Date.now(),
      engine: { state, cache, ...(budgets && { budgets }), model: info?.name ?? null },
      calls: app.activity.list(),
      models: listed,
      ...(loading && { downloads: loading }),
      prefixes: prefixes(),
    };
  };
}

function brief({ name, state, info }: ServedModel): LiveModel {
  if (!info) return { name, state };
  const { bundled, parameters, precision, backend } = info;
  return {
    name,
    state,
    bundled,
    backend,
    ...(parameters && { parameters }),
    ...(precision && { precision }),
  };
}
