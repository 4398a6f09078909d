// Which files of a repository of GGUF files are downloaded: a model of one quantization, and the mmproj file with which it sees.
import { AfterimageError } from '../errors.js';
import { isGguf, isProjector, projectorRank } from '../models/gguf/gguf-pair-names.js';
import type { HubFile } from './hub.js';

/** Small against its loss, and what most people run. */
const USUAL = 'Q4_K_M';
const KIND = /[-._]((?:I?Q|TQ)\d[A-Z0-9_]*|MXFP4[A-Z0-9_]*|NVFP4|BF16|F16|F32)\.gguf$/i;
const UNREAD = /^(IQ|TQ|MXFP4|NVFP4)/;
const SHARD = /-\d{5}-of-\d{5}\.gguf$/i;

/**
 * @param files All of a repository that has no other weights.
 * @param wanted A quantization ("Q8_0"); absent: the usual one, or the only one.
 * @throws AfterimageError INVALID_CHECKPOINT without an mmproj file, INVALID_ARGUMENT where the choice is open, MODEL_UNSUPPORTED
 */
export function ggufPair(repository: string, files: readonly HubFile[], wanted?: string): HubFile[] {
  const own = files.filter(({ name }) => isGguf(name) && !name.includes('/'));
  const [projector] = own
    .filter(({ name }) => isProjector(name))
    .sort((a, b) => projectorRank(a.name) - projectorRank(b.name) || (a.name < b.name ? -1 : 1));
  if (!projector)
    throw new AfterimageError(
      'INVALID_CHECKPOINT',
      `"${repository}" has GGUF files only and no mmproj file among them, so its models cannot see; take another upload of this model.`,
    );
  const models = own.filter(({ name }) => !isProjector(name));
  const whole = models.filter(({ name }) => !SHARD.test(name));
  const model =
    chosen(whole, wanted ?? USUAL) ?? (wanted === undefined && whole.length === 1 ? whole[0] : undefined);
  if (!model) throw open(repository, whole, wanted, models.length > whole.length);
  if (UNREAD.test(kindOf(model)))
    throw new AfterimageError(
      'MODEL_UNSUPPORTED',
      `"${model.name}" is quantized as ${kindOf(model)}, which is not read; ${offered(repository, whole)}.`,
    );
  const settings = files.filter(({ name }) => name === 'preprocessor_config.json');
  return [...settings, projector, model];
}

const kindOf = ({ name }: HubFile): string => (KIND.exec(name)?.[1] ?? '').toUpperCase();

function chosen(models: readonly HubFile[], kind: string): HubFile | undefined {
  return models.find((model) => kindOf(model) === kind.toUpperCase());
}

/** What there is that can be read. */
function offered(repository: string, models: readonly HubFile[]): string {
  const kinds = models.map(kindOf).filter((kind) => kind !== '' && !UNREAD.test(kind));
  if (kinds.length === 0) return 'take another upload of this model';
  const command = `afterimage pull ${repository}:${kinds[0]!}`;
  return kinds.length > 1 ? `choose one of ${kinds.join(', ')}: ${command}` : `take ${command}`;
}

function open(
  repository: string,
  models: readonly HubFile[],
  wanted: string | undefined,
  sharded: boolean,
): AfterimageError {
  const missing = wanted === undefined ? 'several GGUF models' : `no GGUF model that is ${wanted}`;
  const parts = sharded ? ', and models in several files are not read' : '';
  return new AfterimageError(
    'INVALID_ARGUMENT',
    `"${repository}" has ${missing}${parts}; ${offered(repository, models)}.`,
  );
}
