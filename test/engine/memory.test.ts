// Memory is told before it is taken: what the system leaves, what a model needs, and what is advised instead.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { budgetsWithin, leastBytes, type LeastMemory } from '../../src/engine/budgets.js';
import { LocalEngine } from '../../src/engine/local-engine.js';
import { nativeOptions } from '../../src/engine/native-options.js';
import { leastMemory } from '../../src/engine/memory-need.js';
import { starterFolder } from '../../src/engine/model-folder.js';
import { usableMemory } from '../../src/engine/usable-memory.js';
import { AfterimageError } from '../../src/errors.js';
import { openModel } from '../../src/models/registry.js';
import { checkpointFolders } from '../goldens/checkpoints.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const folder = mkdtempSync(join(tmpdir(), 'memory-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let trees = 0;

/** A system of 16 GiB, half of them free, with these files below /. */
function system(files: Record<string, string>, constrained = 0) {
  const root = join(folder, `tree${trees++}`);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return { root, total: 16 * GIB, free: 8 * GIB, constrained, resident: 100 * MIB };
}

describe('what the system leaves', () => {
  test('without a control group, what the machine says', () => {
    assert.deepEqual(usableMemory(system({})), { limit: 16 * GIB, free: 8 * GIB });
  });

  test('version 2: the tightest group around the process counts, pages of files as free', () => {
    const memory = usableMemory(
      system({
        'proc/self/cgroup': '0::/user/app\n',
        'sys/fs/cgroup/user/memory.max': `${4 * GIB}\n`,
        'sys/fs/cgroup/user/memory.current': `${3 * GIB}\n`,
        'sys/fs/cgroup/user/memory.stat': `anon ${GIB}\ninactive_file ${GIB}\nactive_file ${MIB}\nslab 7\n`,
        'sys/fs/cgroup/user/app/memory.max': 'max\n',
        'sys/fs/cgroup/user/app/memory.current': '5\n',
      }),
    );
    assert.deepEqual(memory, { limit: 4 * GIB, free: 2 * GIB + MIB });
  });

  test('version 2: a group that is slowed down at memory.high has no more than that', () => {
    const memory = usableMemory(
      system({
        'proc/self/cgroup': '0::/\n',
        'sys/fs/cgroup/memory.max': `${4 * GIB}\n`,
        'sys/fs/cgroup/memory.high': `${2 * GIB}\n`,
        'sys/fs/cgroup/memory.current': `${3 * GIB}\n`,
      }),
    );
    assert.deepEqual(memory, { limit: 2 * GIB, free: 0 });
  });

  test('version 1, in a container that sees its own group as the root of the mount', () => {
    const memory = usableMemory(
      system({
        'proc/self/cgroup': '12:pids:/docker/abc\n5:cpu,memory:/docker/abc\n0::/\n',
        'sys/fs/cgroup/memory/memory.limit_in_bytes': `${3 * GIB}\n`,
        'sys/fs/cgroup/memory/memory.usage_in_bytes': `${2 * GIB}\n`,
        'sys/fs/cgroup/memory/memory.stat': `inactive_file 9\ntotal_inactive_file ${MIB}\ntotal_active_file 0\n`,
      }),
    );
    assert.deepEqual(memory, { limit: 3 * GIB, free: GIB + MIB });
  });

  test('a limit that only Node knows', () => {
    assert.deepEqual(usableMemory(system({}, GIB)), { limit: GIB, free: GIB - 100 * MIB });
    assert.deepEqual(usableMemory(system({}, 2 ** 64)), { limit: 16 * GIB, free: 8 * GIB });
  });
});

describe('budgets', () => {
  const least: LeastMemory = {
    weights: GIB,
    kv: 100 * MIB,
    features: 20 * MIB,
    scratch: { vision: 200 * MIB, decoder: 50 * MIB },
  };

  test('are shares of the memory where there is plenty', () => {
    const budgets = budgetsWithin({ limit: 64 * GIB, free: 60 * GIB }, least);
    assert.deepEqual(budgets, { kvBytes: 16 * GIB, featureBytes: 2 * GIB, scratchBytes: 8 * GIB });
  });

  test('never exceed what is left, and always hold one screen', () => {
    for (const free of [leastBytes(least), leastBytes(least) + 300 * MIB, 4 * GIB]) {
      const { kvBytes, featureBytes, scratchBytes } = budgetsWithin({ limit: 4 * GIB, free }, least)!;
      assert.ok(kvBytes >= least.kv && featureBytes >= least.features && scratchBytes >= 200 * MIB);
      assert.ok(least.weights + kvBytes + featureBytes + scratchBytes + 50 * MIB <= free);
    }
    assert.equal(budgetsWithin({ limit: 4 * GIB, free: leastBytes(least) - 1 }, least), undefined);
  });

  test('what was chosen is kept, and counts', () => {
    const memory = { limit: 4 * GIB, free: 2 * GIB };
    assert.equal(budgetsWithin(memory, least, { kvBytes: 128 * MIB })?.kvBytes, 128 * MIB);
    assert.equal(budgetsWithin(memory, least, { kvBytes: GIB }), undefined);
  });
});

describe('a model', () => {
  const options = { threads: 1 };

  async function refusal(model: string, free: number, more = {}): Promise<string> {
    const engine = new LocalEngine({ ...options, ...more, model, memory: { limit: free, free } });
    try {
      await engine.ready();
    } catch (error) {
      assert.ok(error instanceof AfterimageError && error.code === 'OUT_OF_MEMORY', String(error));
      return error.message;
    } finally {
      await engine.close();
    }
    return assert.fail('it was loaded');
  }

  test('takes for its weights exactly what is predicted, in every family and format', async () => {
    for (const model of [starterFolder(), ...checkpointFolders()]) {
      const opened = openModel(model);
      const quantized = opened.checkpoint.config['quantization'] !== undefined;
      for (const precision of [quantized ? 'fast' : 'exact', 'faster'] as const) {
        const native = nativeOptions({ ...options, precision }, opened.checkpoint, opened.model);
        const [{ weights }] = leastMemory(native, opened.model, [opened.model.processor.plan(64, 64)]) as [
          LeastMemory,
        ];
        const engine = new LocalEngine({ ...options, model, precision });
        await engine.ready();
        assert.equal(engine.status().cache['weightBytes'], weights, `${model}, ${precision}`);
        await engine.close();
      }
    }
  });

  test('that does not fit is refused before its weights are read, with a size that fits', async () => {
    const copy = join(folder, 'broken');
    cpSync(starterFolder(), copy, { recursive: true });
    const file = join(copy, 'model.safetensors');
    // Weights that are NaN would be refused as soon as they were read.
    const bytes = readFileSync(file);
    bytes.fill(0xff, 8 + Number(bytes.readBigUInt64LE()));
    writeFileSync(file, bytes);
    const free = 100 * MIB;
    const said = await refusal(copy, free);
    assert.match(
      said,
      /^broken needs \d.* of memory to look at a screen \(weights 0\.0\d GiB\) and 0\.10 GiB are left/,
    );
    const pixels = Number(/use --max-pixels (\d+)/.exec(said)?.[1]);
    const broken = new LocalEngine({ ...options, model: copy });
    await assert.rejects(broken.ready(), /holds NaN or infinity/);
    await broken.close();
    const whole = new LocalEngine({ ...options, maxPixels: pixels, memory: { limit: free, free } });
    await whole.ready();
    await whole.close();
  });

  test('names another model where no picture is small enough, and says when even that is none', async () => {
    assert.match(
      await refusal(starterFolder(), 16 * MIB),
      /free memory, or raise the limit of the container/,
    );
  });

  test('is not let take more KV than there is', async () => {
    const said = await refusal(starterFolder(), 400 * MIB, { budgets: { kvBytes: 2 * GIB } });
    assert.match(said, /leave out --kv-gb, or lower it\.$/);
  });
});
