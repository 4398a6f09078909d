// What doctor --metal says of a report, in words: the verdict first, one screen, and everything in the file.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { metalLines, metalVerdict, writeMetalReport, type MetalReport } from '../../src/cli/metal-report.js';
import { AfterimageError } from '../../src/errors.js';

type Opened = Extract<MetalReport, { available: true }>;

const compiled: Opened = {
  available: true,
  stage: 'compiled',
  identity: 'metal M9',
  device: {
    name: 'M9',
    system: 'Version 15.1',
    families: ['apple7', 'metal3'],
    unified_memory: true,
    working_set_bytes: 2 ** 33,
    max_buffer_bytes: 2 ** 32,
    threadgroup_memory_bytes: 32768,
    threads_per_threadgroup: 1024,
  },
  libraries: [{ family: 'rope', seconds: 1.5, again_seconds: 0.1 }],
  pipelines: [{ kernel: 'rope', seconds: 0.2, max_threads: 1024, threadgroup_memory_bytes: 0 }],
  failed_to_compile: 0,
};
const passed = { kernel: 'linear_q4_1', cases: 9, row_cases: 1, passed: true, distance: 1e-6 };
const measured: Opened = {
  ...compiled,
  stage: 'measured',
  in_place: 'works',
  failed_kernels: 0,
  kernels: [passed, { ...passed, kernel: 'add', row_cases: 0 }],
  copy_bytes_per_second: 60e9,
  operators: [
    { name: 'linear q4, 1 row', seconds: 0.0002, share_of_copy_bandwidth: 0.75, flop_per_second: 2e11 },
  ],
  empty_dispatch_seconds: 2e-6,
  round_trip_seconds: 0.0003,
  after_pauses: [
    { pause_seconds: 0, decode_seconds: 0.004 },
    { pause_seconds: 3, decode_seconds: 0.3 },
  ],
  after_pauses_bytes: 2 ** 30,
  matrix_order: 'ascending',
  largest_dispatch_seconds: 0.4,
};

test('the verdict says how far it came', () => {
  const said = (report: MetalReport) => metalVerdict(report);
  assert.equal(
    said({ available: false, stage: 'open', reason: 'no GPU' }),
    'Metal does not work here: no GPU.',
  );
  assert.equal(said(compiled), 'All 1 kernels compile here; none was run.');
  assert.equal(
    said({ ...compiled, reason: 'it is old' }),
    'All 1 kernel texts compile here, but this device cannot run them: it is old.',
  );
  assert.match(said({ ...compiled, failed_to_compile: 2 }), /^2 kernels or their texts do not compile/);
  assert.equal(
    said({ ...compiled, stage: 'stopped', reason: 'It was lost.' }),
    'Metal stopped during the tests: It was lost.',
  );
  assert.equal(said(measured), 'Metal works here: all 2 kernels passed.');
  const failed = { ...passed, passed: false, failure: 'it differs' };
  assert.match(said({ ...measured, kernels: [passed, failed] }), /^1 of 2 kernels failed/);
});

test('one screen of words, whatever failed', () => {
  const failure = `a row depends on the other rows: linear\n${'x'.repeat(500)}`;
  const kernels = Array.from({ length: 100 }, (_, i) => ({
    ...passed,
    kernel: `k${i}`,
    passed: false,
    failure,
  }));
  for (const report of [compiled, measured, { ...measured, kernels }]) {
    const lines = Object.entries(metalLines(report)).map(([name, value]) => `${name} ${String(value)}`);
    assert.ok(lines.length <= 24, `${lines.length} lines`);
    assert.ok(
      lines.every((line) => line.length < 170 && !line.includes('\n')),
      lines.join('\n'),
    );
  }
  const words = metalLines({ ...measured, kernels });
  assert.equal(words['failed: k0'], 'a row depends on the other rows: linear');
  assert.equal(words['failed: others'], '92, see the file');
  assert.equal(words['rows'], 'the bits of a row depend on its neighbours in 100 of 100 kernels');
  assert.equal(metalLines(measured)['after pauses'], '0 s: 4.00 ms, 3 s: 300.00 ms for 1.0 GiB of weights');
  const full = { ...measured, after_pauses_failure: 'the disk is full' };
  assert.equal(metalLines(full)['after pauses'], 'the disk is full');
});

test('the file has the whole report', () => {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-report-'));
  try {
    const path = writeMetalReport(measured, { node: 'v22' }, folder);
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { node: 'v22', ...measured });
    assert.throws(
      () => writeMetalReport(measured, {}, join(folder, 'none')),
      (error) => error instanceof AfterimageError && error.code === 'IO_FAILED',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
