// A server asked what it is: its models, whether the chosen one sees, and, of a peer, all that its engine knows of it.
import type OpenAI from 'openai';
import { APIError } from 'openai';
import * as z from 'zod';
import type { ModelInfo } from '../engine.js';
import { BadAnswer, faultOf, noVision } from './faults.js';
import { chosen, notListed, readModels, type ListedModel } from './model-list.js';
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
/** What servers without a list, or with a broken one, answer to the question for it. */
const NO_LIST = [404, 405, 500, 501];
/** For a first question, which may load the model. */
const PROBE_MS = 10 * 60_000;

/** @throws AfterimageError MODEL_NOT_FOUND, MODEL_UNSUPPORTED, INVALID_ARGUMENT; what the client throws */
export async function describe(api: OpenAI, name: string, wanted: string | undefined): Promise<Described> {
  const { models, server } = await modelsOf(api, wanted);
  const listed = chosen(models, wanted, name);
  const model = listed ?? unlisted(wanted!, models[0]?.kind ?? kindOf(undefined, server));
  if (model.kind === 'afterimage') return ofPeer(api, model);
  const kind = model.kind === 'OpenAI-compatible server' ? await kindAsked(api) : model.kind;
  const sees = model.sees ?? (listed && (await seesAsked(api, kind, model.id)));
  const seen =
    sees ??
    (await seesProbe(api, model.id, name).catch((error: unknown) => {
      throw !listed && isRefusal(error) ? notListed(models, model.id, name, error) : error;
    }));
  if (!seen) throw noVision(model.id, name);
  return { kind, id: model.id, info: infoOf(kind, model) };
}

interface Listing {
  models: ListedModel[];
  server: string | null;
}

/** Nothing where there is no list and none is needed, because the model is named. */
async function modelsOf(api: OpenAI, wanted: string | undefined): Promise<Listing> {
  let listing: Response;
  try {
    listing = await api.get<unknown>('/models', { timeout: LIST_MS }).asResponse();
  } catch (error) {
    if (wanted === undefined || !(error instanceof APIError) || !NO_LIST.includes(error.status as number))
      throw error;
    return { models: [], server: (error.headers as Headers | undefined)?.get('server') ?? null };
  }
  const server = listing.headers.get('server');
  try {
    return { models: readModels(await listing.json(), server), server };
  } catch (cause) {
    throw new BadAnswer('its list of models has another form', { cause });
  }
}

function unlisted(id: string, kind: ServerKind): ListedModel {
  return {
    ...{ id, kind },
    ...{ sees: undefined, contextLength: undefined, parameters: undefined, info: undefined },
  };
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
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAK0lEQVR42u3MMREAAAgEoNfkRjeEmwcBqMlNRyAQCAQCgUAgEAgEAsHzYAFAdAEArKmlZAAAAABJRU5ErkJggg==';

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
  const without = await tokens([text]);
  try {
    const withImage = await tokens([image, text]);
    return without === undefined || withImage === undefined || withImage > without;
  } catch (error) {
    const fault = faultOf(error, name, model);
    if (fault.error.code === 'INVALID_ARGUMENT' || fault.error.code === 'MODEL_UNSUPPORTED') return false;
    throw error;
  }
}

/** Neither the key nor the load is what the server complains of. */
function isRefusal(error: unknown): boolean {
  return error instanceof APIError && [400, 404, 422, 500].includes(error.status as number);
}

function isObjectWith(value: unknown, key: string): boolean {
  return typeof value === 'object' && value !== null && key in value;
}
