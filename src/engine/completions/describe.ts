// A server asked what it is: its models, whether the chosen one sees, and, of a peer, all that its engine knows of it.
import type OpenAI from 'openai';
import { z } from 'zod';
import type { ModelInfo } from '../engine.js';
import { BadAnswer, faultOf, noVision } from './faults.js';
import { chosen, readModels, type ListedModel } from './model-list.js';
import { LOAD_PATH, PEER, peerModel } from './peer.js';
import { kindOf, TRAITS, type ServerKind } from './server-kind.js';

export interface Described {
  kind: ServerKind;
  /** The model as requests name it. */
  id: string;
  info: ModelInfo;
}

/** For what a server answers from memory. */
const LIST_MS = 10_000;
/** For a first question, which may load the model. */
const PROBE_MS = 10 * 60_000;

/** @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, INVALID_ARGUMENT; what the client throws */
export async function describe(api: OpenAI, name: string, wanted: string | undefined): Promise<Described> {
  const listing = await api.get<unknown>('/models', { timeout: LIST_MS }).asResponse();
  const models = await modelsOf(listing);
  const model = chosen(models, wanted, name);
  if (model.kind === 'afterimage') return ofPeer(api, model);
  const kind = model.kind === 'OpenAI-compatible server' ? await kindAsked(api) : model.kind;
  const sees = model.sees ?? (await seesAsked(api, kind, model.id));
  if (sees === false || (sees === undefined && !(await seesProbe(api, model.id, name)))) {
    throw noVision(model.id, name);
  }
  return { kind, id: model.id, info: infoOf(kind, model) };
}

async function modelsOf(listing: Response): Promise<ListedModel[]> {
  try {
    return readModels(await listing.json(), listing.headers.get('server'));
  } catch (cause) {
    throw new BadAnswer('its list of models has another form', { cause });
  }
}

/** Loads the model where it is not loaded. */
async function ofPeer(api: OpenAI, { id, kind, info }: ListedModel): Promise<Described> {
  if (info) return { kind, id, info };
  const card = await api.post<unknown>(LOAD_PATH, { body: { model: id } });
  const loaded = z.object({ id: z.string(), [PEER]: peerModel }).safeParse(card).data;
  if (!loaded?.[PEER]) throw new BadAnswer('what it says about its model has another form');
  return { kind, id: loaded.id, info: loaded[PEER] };
}

function infoOf(kind: ServerKind, { id, contextLength, parameters }: ListedModel): ModelInfo {
  return {
    name: id,
    ...(parameters !== undefined && { parameters }),
    backend: kind,
    ...(contextLength !== undefined && { contextLength }),
    bundled: false,
    readsAlong: false,
    boxes: null,
    ...(TRAITS[kind].continuation === 'none' && { endsForGood: true }),
  };
}

/** Servers whose lists look like everyone's are known by what else they answer. */
async function kindAsked(api: OpenAI): Promise<ServerKind> {
  const version = await asked(api, '/api/version');
  if (z.object({ version: z.string() }).safeParse(version).success) return 'Ollama';
  const health = await asked(api, '/health');
  if (
    z.looseObject({ loaded_model: z.unknown() }).safeParse(health).success &&
    isObjectWith(health, 'loaded_model')
  )
    return 'mlx-vlm';
  return kindOf(undefined, null);
}

/** Where a server says whether a model sees in a place of its own. */
async function seesAsked(api: OpenAI, kind: ServerKind, model: string): Promise<boolean | undefined> {
  if (kind === 'Ollama') {
    const shown = await asked(api, '/api/show', { model });
    const { data } = z.looseObject({ capabilities: z.array(z.string()) }).safeParse(shown);
    return data?.capabilities.includes('vision');
  }
  if (kind === 'SGLang') {
    const { data } = z
      .looseObject({ has_image_understanding: z.boolean() })
      .safeParse(await asked(api, '/get_model_info'));
    return data?.has_image_understanding;
  }
  if (kind === 'LM Studio') {
    const { data } = z
      .looseObject({ type: z.string() })
      .safeParse(await asked(api, `/api/v0/models/${encodeURIComponent(model)}`));
    return data && data.type === 'vlm';
  }
  return undefined;
}

/** JSON from beside the API's base; undefined where there is none. */
async function asked(api: OpenAI, path: string, body?: object): Promise<unknown> {
  const url = new URL(path, api.baseURL).href;
  try {
    return await (body ? api.post(url, { body, timeout: LIST_MS }) : api.get(url, { timeout: LIST_MS }));
  } catch {
    // A server that does not know the path is one of the others; one that is gone is met by the next question.
    return undefined;
  }
}

/** 64 × 64 grey pixels. */
const GREY =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAL0lEQVR42u3MMQEAAAgDoPVPaxmD+QkFyLS7VVVVVVVVVVVVVVVVVVVVVVVVVT8PBJYAAT7tZ3EAAAAASUVORK5CYII=';

/**
 * Asks about a picture and without it: a model that sees takes more tokens for it, one that does not refuses it or leaves
 * it out. Where the server counts nothing, an answer is taken for sight.
 */
async function seesProbe(api: OpenAI, model: string, name: string): Promise<boolean> {
  const text = { type: 'text' as const, text: 'What is this?' };
  const image = { type: 'image_url' as const, image_url: { url: GREY } };
  const tokens = async (content: (typeof text | typeof image)[]): Promise<number | undefined> => {
    const { usage } = await api.chat.completions.create(
      { model, messages: [{ role: 'user', content }], max_tokens: 1, temperature: 0 },
      { timeout: PROBE_MS },
    );
    return usage?.prompt_tokens;
  };
  try {
    const [without, withImage] = [await tokens([text]), await tokens([image, text])];
    return without === undefined || withImage === undefined || withImage > without;
  } catch (error) {
    const fault = faultOf(error, name, model);
    if (fault.error.code === 'INVALID_ARGUMENT' || fault.error.code === 'MODEL_UNSUPPORTED') return false;
    throw error;
  }
}

function isObjectWith(value: unknown, key: string): boolean {
  return typeof value === 'object' && value !== null && key in value;
}
