// The models of this server as GET /v1/models lists them, with what other servers' clients look for beside OpenAI's fields.
import { PEER } from '../engine/completions/peer.js';
import type { ServedModel } from '../engine/models.js';

const MODALITIES = { input_modalities: ['text', 'image'], output_modalities: ['text'] };

export function modelCard({ name, state, info }: ServedModel, created: number) {
  return {
    id: name,
    object: 'model' as const,
    created,
    owned_by: PEER,
    state,
    architecture: MODALITIES,
    ...(info?.contextLength !== undefined && { max_model_len: info.contextLength }),
    [PEER]: info,
  };
}

export function modelList(models: ServedModel[], created: number) {
  return { object: 'list' as const, data: models.map((model) => modelCard(model, created)) };
}
