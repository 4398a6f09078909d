// What a server says about its models: which there are, whether they see, how much they read. Every server has fields of
// its own; none of them is believed to be there.
import * as z from 'zod';
import { AfterimageError } from '../../errors.js';
import type { ModelInfo } from '../engine.js';
import { PEER, peerModel } from './peer.js';
import { kindOf, type ServerKind } from './server-kind.js';

const MOST_MODELS = 10_000;
const count = z.int().positive().optional().catch(undefined);
const words = z.array(z.string()).optional().catch(undefined);

const listed = z.looseObject({
  id: z.string().min(1).max(512),
  owned_by: z.string().optional().catch(undefined),
  max_model_len: count,
  context_length: count,
  max_context_length: count,
  architecture: z.looseObject({ input_modalities: words }).optional().catch(undefined),
  capabilities: words,
  type: z.string().optional().catch(undefined),
  meta: z.looseObject({ n_ctx: count, n_ctx_train: count, n_params: count }).optional().catch(undefined),
  [PEER]: peerModel.optional().catch(undefined),
});

const list = z.looseObject({ data: z.array(listed).max(MOST_MODELS) });

export interface ListedModel {
  id: string;
  kind: ServerKind;
  /** Undefined where the server does not say. */
  sees: boolean | undefined;
  contextLength: number | undefined;
  parameters: number | undefined;
  /** Of a peer, once its model is loaded. */
  info: ModelInfo | undefined;
}

/** @param json Of GET /models. @throws ZodError when it is no list of models. */
export function readModels(json: unknown, server: string | null): ListedModel[] {
  return list.parse(json).data.map((model) => ({
    id: model.id,
    kind: kindOf(model.owned_by, server),
    sees: seesBy(model),
    contextLength:
      model.max_model_len ?? model.meta?.n_ctx ?? model.context_length ?? model.max_context_length,
    parameters: model.meta?.n_params,
    info: model[PEER] ?? undefined,
  }));
}

function seesBy({ architecture, capabilities, type }: z.infer<typeof listed>): boolean | undefined {
  if (architecture?.input_modalities) return architecture.input_modalities.includes('image');
  if (type === 'vlm') return true;
  if (type === 'llm' || type === 'embeddings') return false;
  if (capabilities) return capabilities.some((word) => /vision|multimodal|image/i.test(word));
  return undefined;
}

/**
 * The wanted model, or the only one. Undefined for one that is wanted and not listed: lists need not be whole, so that only
 * asking tells whether it is there.
 * @throws AfterimageError INVALID_ARGUMENT where one has to be chosen; MODEL_NOT_FOUND where there is none
 */
export function chosen(
  models: ListedModel[],
  wanted: string | undefined,
  name: string,
): ListedModel | undefined {
  if (wanted !== undefined) {
    const found = models.find(({ id }) => id === wanted);
    // Our own lists are whole.
    if (!found && models.some(({ kind }) => kind === 'afterimage')) throw notListed(models, wanted, name);
    return found;
  }
  // The first of a peer's is the one that it means where none is named.
  if (models.length === 1 || models[0]?.kind === 'afterimage') return models[0];
  if (models.length === 0) {
    throw new AfterimageError(
      'MODEL_NOT_FOUND',
      `${name} lists no model; load one there first, or name one that it can load with --engine-model.`,
    );
  }
  throw new AfterimageError(
    'INVALID_ARGUMENT',
    `${name} has several models; choose one of ${namesOf(models)} with --engine-model.`,
  );
}

export function notListed(
  models: ListedModel[],
  wanted: string,
  name: string,
  cause?: unknown,
): AfterimageError {
  const next =
    models.length > 0 ? `name one of ${namesOf(models)} with --engine-model.` : 'load one there first.';
  return new AfterimageError('MODEL_NOT_FOUND', `${name} has no model "${wanted}"; ${next}`, { cause });
}

const namesOf = (models: ListedModel[]): string =>
  models
    .map(({ id }) => `"${id}"`)
    .slice(0, 20)
    .join(', ');
