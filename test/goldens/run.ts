// npm run goldens -- DIR… [--reference] [--family NAME] [--kv f32|f16|bf16|q8] [--precision exact|fast|faster]
//   [--backend cpu|metal]
// Runs every checkpoint folder under each DIR, stage by stage and through sessions, and prints `N passed, N failed`.
// --reference runs the programs in the slow interpreter beside this file, without native code.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
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
import { checkTurn, type Machine } from './check-turn.js';
import { promptPath } from './prompt-path.js';
import { ReferenceRunner } from './reference.js';
import { Tally } from './tally.js';

interface Options {
  reference: boolean;
  kv: KvType;
  precision: Precision;
  backend: BackendName;
}

/** Folders under `root` that hold a config.json and cases; `root` itself where it is one. */
function familyFolders(root: string): string[] {
  if (existsSync(join(root, 'config.json'))) return [root];
  const folders = readdirSync(root)
    .map((name) => join(root, name))
    .filter((path) => statSync(path).isDirectory());
  return folders.sort().filter((path) => existsSync(join(path, 'config.json')));
}

function open(program: Program, checkpoint: Checkpoint, options: Options): Promise<Runner> {
  if (options.reference) return Promise.resolve(new ReferenceRunner(program, checkpoint.files));
  const { precision, kv: kvType, backend } = options;
  return createRunner({
    files: checkpoint.files,
    program: JSON.stringify(program),
    precision,
    kvType,
    backend,
  });
}

async function checkFamily(folder: string, options: Options): Promise<Tally> {
  const tally = new Tally();
  const family = basename(folder);
  try {
    const { checkpoint, model } = openModel(folder);
    const cases = readCases(folder);
    if (cases.length === 0) tally.fail(family, 'has no cases');
    await checkStages(checkpoint, model, cases, options, tally);
    if (!options.reference) await checkSessions(folder, model, cases, options, tally);
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
  const machine: Machine = {
    model,
    vision,
    decoder,
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

function report(family: string, tally: Tally, seconds: number): void {
  const errors = [...tally.errors].map(([stage, error]) => `${stage} ${error.toExponential(1)}`).join(', ');
  console.log(
    `${family}: ${tally.passed} passed, ${tally.failures.length} failed in ${seconds.toFixed(1)} s${errors && ` (largest errors: ${errors})`}`,
  );
  for (const { where, what } of tally.failures.slice(0, 12)) console.log(`  FAILED ${where}: ${what}`);
  if (tally.failures.length > 12) console.log(`  … and ${tally.failures.length - 12} more`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      reference: { type: 'boolean', default: false },
      family: { type: 'string', multiple: true },
      kv: { type: 'string', default: 'f32' },
      precision: { type: 'string', default: 'exact' },
      backend: { type: 'string', default: 'cpu' },
    },
  });
  if (positionals.length === 0) throw new TypeError('Expected one or more folders of golden checkpoints');
  const options = {
    reference: values.reference,
    kv: values.kv as KvType,
    precision: values.precision as Precision,
    backend: values.backend as BackendName,
  };
  let [passed, failures] = [0, 0];
  for (const folder of positionals.flatMap(familyFolders)) {
    if (values.family && !values.family.includes(basename(folder))) continue;
    const start = performance.now();
    const tally = await checkFamily(folder, options);
    report(basename(folder), tally, (performance.now() - start) / 1000);
    passed += tally.passed;
    failures += tally.failures.length;
  }
  console.log(`${passed} passed, ${failures} failed`);
  process.exitCode = failures === 0 && passed > 0 ? 0 : 1;
}

await main();
