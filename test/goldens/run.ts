// npm run goldens -- [DIR…] [--reference] [--family NAME] [--kv f32|f16|bf16|q8] [--precision exact|fast|faster]
//   [--backend cpu|metal] [--stages]
// Runs every checkpoint folder under each DIR (the committed ones where none is given), stage by stage and through sessions, and prints `N passed, N failed`.
// --stages leaves the sessions out; --reference runs the programs in the slow interpreter beside this file, without native code.
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import type { BackendName, KvType, Precision } from '../../src/engine/native.js';
import { checkCheckpoint } from './check-checkpoint.js';
import { CHECKPOINTS, checkpointFolders } from './checkpoints.js';
import type { Tally } from './tally.js';

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
      stages: { type: 'boolean', default: false },
    },
  });
  const roots = positionals.length > 0 ? positionals : [CHECKPOINTS];
  const options = {
    reference: values.reference,
    kv: values.kv as KvType,
    precision: values.precision as Precision,
    backend: values.backend as BackendName,
    stages: values.stages,
  };
  let [passed, failures] = [0, 0];
  for (const folder of roots.flatMap((root) => checkpointFolders(root))) {
    if (values.family && !values.family.includes(basename(folder))) continue;
    const start = performance.now();
    const tally = await checkCheckpoint(folder, options);
    report(basename(folder), tally, (performance.now() - start) / 1000);
    passed += tally.passed;
    failures += tally.failures.length;
  }
  console.log(`${passed} passed, ${failures} failed`);
  process.exitCode = failures === 0 && passed > 0 ? 0 : 1;
}

await main();
