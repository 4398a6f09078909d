// npm run goldens -- DIR… [--reference] [--family NAME] [--kv f32|f16|bf16|q8] [--precision exact|fast]
// Runs every checkpoint folder under each DIR through the model code and prints `N passed, N failed`.
/* eslint-disable no-console */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { createRunner, type KvType, type Precision, type Runner } from '../../src/engine/native.js';
import type { Program } from '../../src/graph/program.js';
import type { Checkpoint } from '../../src/models/checkpoint.js';
import { Config } from '../../src/models/config.js';
import { openModel } from '../../src/models/registry.js';
import { readCases } from './case-files.js';
import { checkTurn, type Machine } from './check-turn.js';
import { promptPath } from './prompt-path.js';
import { ReferenceRunner } from './reference.js';
import { Tally } from './tally.js';

interface Options {
  reference: boolean;
  kv: KvType;
  precision: Precision;
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
  const { precision, kv: kvType } = options;
  return createRunner({ files: checkpoint.files, program: JSON.stringify(program), precision, kvType });
}

async function checkFamily(folder: string, options: Options): Promise<Tally> {
  const tally = new Tally();
  const family = basename(folder);
  const runners: Runner[] = [];
  try {
    const { checkpoint, model } = openModel(folder);
    runners.push(
      await open(model.vision, checkpoint, options),
      await open(model.decoder, checkpoint, options),
    );
    const layers = model.decoder.values.filter(({ name }) => /^layers\.\d+\.output$/.test(name)).length;
    const machine: Machine = {
      model,
      vision: runners[0]!,
      decoder: runners[1]!,
      layers,
      promptPath: promptPath(checkpoint, model),
      generationStops: new Config(checkpoint.generationConfig, 'generation_config.json').ids('eos_token_id'),
    };
    const cases = readCases(folder);
    if (cases.length === 0) tally.fail(family, 'has no cases');
    for (const golden of cases) {
      for (let t = 0; t < golden.turns.length; t++) {
        await checkTurn(machine, golden, t, tally, family).catch((error: unknown) =>
          tally.fail(`${family}/${golden.name} turn ${t}`, String(error)),
        );
      }
    }
  } catch (error) {
    tally.fail(family, error instanceof Error ? error.message : String(error));
  } finally {
    for (const runner of runners) await runner.close();
  }
  return tally;
}

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
    },
  });
  if (positionals.length === 0) throw new TypeError('Expected one or more folders of golden checkpoints');
  const options = {
    reference: values.reference,
    kv: values.kv as KvType,
    precision: values.precision as Precision,
  };
  let [passed, failed] = [0, 0];
  for (const folder of positionals.flatMap(familyFolders)) {
    if (values.family && !values.family.includes(basename(folder))) continue;
    const start = performance.now();
    const tally = await checkFamily(folder, options);
    report(basename(folder), tally, (performance.now() - start) / 1000);
    passed += tally.passed;
    failed += tally.failures.length;
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

await main();
