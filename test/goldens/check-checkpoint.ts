// Compares a checkpoint folder with what it records: sizes of images, then every stage of every turn, then whole sessions.
import { basename } from 'node:path';
import {
  createRunner,
  type BackendName,
  type KvType,
  type Precision,
  type Runner,
} from '../../src/engine/native.js';
import type { Program } from '../../src/graph/program.js';
import type { Checkpoint } from '../../src/models/checkpoint/checkpoint.js';
import { Config } from '../../src/models/checkpoint/config.js';
import { openModel } from '../../src/models/registry.js';
import type { Model } from '../../src/models/family.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { readCases, type GoldenCase } from './case-files.js';
import { checkSession } from './check-session.js';
import { checkSizes } from './check-sizes.js';
import { checkTurn, type Machine } from './check-turn.js';
import { promptPath } from './prompt-path.js';
import { ReferenceRunner } from './reference.js';
import { Tally } from './tally.js';

export interface Options {
  reference: boolean;
  kv: KvType;
  precision: Precision;
  backend: BackendName;
  /** The programs alone: no sessions, which encode each image again. */
  stages?: boolean;
}

/** What the recorded values are compared with: float32 throughout. */
export const EXACT: Options = { reference: false, kv: 'f32', precision: 'exact', backend: 'cpu' };

function open(program: Program, checkpoint: Checkpoint, options: Options): Promise<Runner> {
  if (options.reference) return Promise.resolve(new ReferenceRunner(program, checkpoint.files));
  const { precision, kv: kvType, backend } = options;
  return createRunner({
    files: checkpoint.files,
    headers: checkpoint.headers,
    program: JSON.stringify(program),
    precision,
    kvType,
    backend,
  });
}

/** All cases of a checkpoint, on the programs alone and through sessions. Never throws: what fails is in the tally. */
export async function checkCheckpoint(folder: string, options: Options = EXACT): Promise<Tally> {
  const tally = new Tally();
  const family = basename(folder);
  try {
    const { checkpoint, model } = openModel(folder);
    const cases = readCases(folder);
    if (cases.length === 0) tally.fail(family, 'has no cases');
    checkSizes(checkpoint, tally);
    await checkStages(checkpoint, model, cases, options, tally);
    if (!options.reference && !options.stages) await checkSessions(folder, model, cases, options, tally);
  } catch (error) {
    tally.fail(family, error instanceof Error ? error.message : String(error));
  }
  return tally;
}

/** Every turn on the two programs alone. */
async function checkStages(
  checkpoint: Checkpoint,
  model: Model,
  cases: GoldenCase[],
  options: Options,
  tally: Tally,
): Promise<void> {
  const family = basename(checkpoint.folder);
  const vision = await open(model.vision, checkpoint, options);
  const decoder = await open(model.decoder, checkpoint, options);
  const mtp = model.mtp && (await open(model.mtp, checkpoint, options));
  const machine: Machine = {
    model,
    vision,
    decoder,
    mtp,
    layers: model.decoder.values.filter(({ name }) => /^layers\.\d+\.output$/.test(name)).length,
    promptPath: promptPath(checkpoint, model),
    generationStops: new Config(checkpoint.generationConfig, 'generation_config.json').ids('eos_token_id'),
  };
  try {
    for (const golden of cases) {
      for (let t = 0; t < golden.turns.length; t++) {
        await checkTurn(machine, golden, t, tally, family).catch(
          failed(tally, `${family}/${golden.name} turn ${t}`),
        );
      }
    }
  } finally {
    await vision.close();
    await decoder.close();
    await mtp?.close();
  }
}

/** Every case once more through sessions and the cache. */
async function checkSessions(
  folder: string,
  model: Model,
  cases: GoldenCase[],
  options: Options,
  tally: Tally,
): Promise<void> {
  const engine = new LocalEngine({
    model: folder,
    precision: options.precision,
    kvType: options.kv,
    backend: options.backend,
  });
  try {
    for (const golden of cases) {
      await checkSession(engine, golden, model.eosTokenIds, basename(folder), tally).catch(
        failed(tally, `${basename(folder)}/${golden.name}`),
      );
    }
  } finally {
    await engine.close();
  }
}

const failed =
  (tally: Tally, where: string) =>
  (error: unknown): void =>
    tally.fail(where, String(error));
