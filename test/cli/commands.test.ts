// Every command on the bundled model, as a person types it.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { starterFolder } from '../../src/engine/model-folder.js';
import { describeImage } from '../../tools/describe-image.js';
import { families } from '../../src/models/registry.js';
import type { KeptFile } from '../../src/cli/kept.js';
import { afterimage } from './command.js';

const cache = mkdtempSync(join(tmpdir(), 'afterimage-cache-'));
after(() => rmSync(cache, { recursive: true, force: true }));

const LOGIN = join(starterFolder(), 'examples', 'login.png');
const ERROR = join(starterFolder(), 'examples', 'error.png');
const FEW = ['--max-tokens', '8', '--cache-dir', cache];

describe('looking', () => {
  test('describe streams an answer and closes with its rates', async () => {
    const { code, stdout, stderr } = await afterimage(['describe', LOGIN, ...FEW]);
    assert.equal(code, 0, stderr);
    assert.ok(stdout.trim().length > 0);
    assert.match(stderr, /^112 image tokens .* tok\/s/m);
  });

  test('a second process finds on disk what the first one saw', async () => {
    const { stdout } = await afterimage(['ocr', LOGIN, '--method', 'model', '--json', ...FEW]);
    const { cache: report } = JSON.parse(stdout);
    assert.equal(report.source, 'disk');
    assert.equal(report.image_tokens_reused, report.image_tokens);
    assert.equal(report.encode_ms, 0);
  });

  test('ask and compare take several images', async () => {
    for (const args of [
      ['ask', LOGIN, ERROR, 'Which one is red?'],
      ['compare', LOGIN, ERROR],
    ]) {
      const { code, stdout, stderr } = await afterimage([...args, '--json', ...FEW]);
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).images.length, 2);
    }
  });

  test('compare lets pixels decide', async () => {
    const same = await afterimage(['compare', LOGIN, LOGIN, ...FEW]);
    assert.match(same.stdout, /^The images are identical/);
    const { stdout } = await afterimage(['compare', LOGIN, ERROR, ...FEW]);
    assert.match(stdout, /^\d+ % of the pixels changed/);
    assert.match(stdout, /Changed:\n {2}\d+,\d+ \d+x\d+ → /);
  });

  test('chat goes on after a question that cannot be answered', async () => {
    const input = `${'漢'.repeat(20_000)}\nIs there an error?\n`;
    const { code, stdout, stderr } = await afterimage(['chat', LOGIN, '--json', ...FEW], { input });
    assert.equal(code, 2);
    assert.match(stderr, /\[CONTEXT_FULL\]/);
    const [refused, answered] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(refused.error.code, 'CONTEXT_FULL');
    assert.equal(answered.images.length, 1, 'the second question is answered');
  });

  test('--json is the tool’s own result', async () => {
    const { stdout } = await afterimage(['describe', LOGIN, '--json', ...FEW]);
    const result = JSON.parse(stdout);
    assert.ok(describeImage.output.safeParse(result).success);
    for (const field of ['answer', 'images', 'session_id', 'cache', 'stop_reason', 'model'])
      assert.ok(field in result, field);
  });

  test('chat continues an answer that was cut, to the answer that was not', async () => {
    const lines = (input: string, tokens: string) =>
      afterimage(['chat', LOGIN, '--json', '--max-tokens', tokens, '--cache-dir', cache], { input });
    const whole = JSON.parse((await lines('Is there an error?\n', '64')).stdout);
    const { stdout, stderr } = await lines('Is there an error?\n\n\n\n', '8');
    const parts = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(parts.length > 1, 'it went on');
    assert.match(stderr, /an empty line continues it/);
    assert.equal(parts.map(({ answer }) => answer).join(''), whole.answer);
  });

  test('a length that no tool gives is refused in the words of the option', async () => {
    const { code, stderr } = await afterimage(['describe', LOGIN, '--max-tokens', '5000']);
    assert.equal(code, 2);
    assert.match(stderr, /^Expected a whole number between 1 and 4096 for --max-tokens/);
  });

  test('ocr prints the text, and with --lines each line behind its box', async () => {
    const plain = await afterimage(['ocr', LOGIN, ...FEW]);
    assert.match(plain.stderr, /^The text reader has no --max-tokens; --method model has\.$/m);
    assert.equal(plain.code, 0, plain.stderr);
    assert.match(plain.stdout, /^Member login\nWrong email or password\.\nEmail\nPassword\nStay signed in\n/);
    const { stdout } = await afterimage(['ocr', LOGIN, '--lines', ...FEW]);
    assert.match(stdout, /^\d+,\d+ \d+x\d+\tMember login$/m);
  });

  test('a folder without text networks is refused by name', async () => {
    const { code, stderr } = await afterimage(['ocr', LOGIN, '--reader', cache, '--no-disk-cache']);
    assert.equal(code, 2);
    assert.match(stderr, /pp_ocrv5_mobile_det.*\[MODEL_NOT_FOUND\]/);
  });

  test('ocr takes several files and standard input', async () => {
    const { stdout, stderr } = await afterimage(['ocr', LOGIN, ERROR, '--json', ...FEW]);
    assert.equal(stdout.trim().split('\n').length, 2, stderr);
    const piped = await afterimage(['ocr', '-', ...FEW], { input: readFileSync(LOGIN) });
    assert.match(piped.stdout, /^Member login/);
  });

  test('ocr --find prints the point to click, --annotate draws', async () => {
    const out = join(cache, 'drawn.png');
    const { stdout, stderr } = await afterimage([
      'ocr',
      LOGIN,
      '--find',
      'EMAIL or',
      '--annotate',
      out,
      ...FEW,
    ]);
    assert.match(stdout, /^\d+,\d+\t\d+,\d+ \d+x\d+\temail or\n/, stderr);
    assert.ok(readFileSync(out).subarray(1, 4).toString() === 'PNG');
  });
});

describe('reporting', () => {
  test('models lists every family', async () => {
    const { stdout } = await afterimage(['models', '--json']);
    const { supported, installed } = JSON.parse(stdout);
    assert.ok(Array.isArray(installed));
    const listed = new Set(supported.map(({ model_type }: { model_type: string }) => model_type));
    for (const { modelTypes, checkpoints } of families)
      assert.ok(checkpoints.length === 0 || listed.has(modelTypes[0]!));
  });

  test('doctor passes its self-test', async () => {
    const { code, stdout, stderr } = await afterimage(['doctor', '--json', '--cache-dir', cache]);
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout);
    assert.equal(report.verdict, 'Looking works here, with afterimage-starter.');
    assert.match(report.self_test, /^passed/);
  });

  test('doctor --metal says what the device is, or that there is none', async () => {
    const { code, stdout, stderr } = await afterimage(['doctor', '--metal', '--json']);
    assert.equal(code, 0, stderr);
    const { verdict, available, stage, reason } = JSON.parse(stdout);
    assert.match(verdict, /^Metal (works|does not work) here: /);
    if (!available) assert.deepEqual([stage, typeof reason], ['open', 'string']);
  });

  test('cache list and clear', async () => {
    const before = await afterimage(['cache', 'list', '--json', '--cache-dir', cache]);
    const { files } = JSON.parse(before.stdout) as { files: KeptFile[] };
    const prefixes = files.filter(({ kind }) => kind === 'prefix');
    assert.ok(prefixes.length > 0 && prefixes.length < files.length);
    for (const { kind, model, image, identity, bytes } of files) {
      assert.ok(bytes > 0);
      assert.equal(model, kind === 'prefix' ? 'afterimage-starter' : 'PP-OCRv4');
      assert.match(image!.image_id, /^img_[0-9a-f]{32}$/);
      assert.ok(image!.width > 0 && image!.height > 0);
      // Other kernels, other bits: prefixes are those of one build.
      if (kind === 'prefix') assert.match(identity!, /^engine [0-9a-f]{16}\nweights [0-9a-f]{64}\n/);
    }
    assert.ok(files.some(({ image }) => image!.name === LOGIN));
    const { stdout } = await afterimage(['cache', 'list', '--cache-dir', cache]);
    assert.match(
      stdout,
      /^ +\d+\.\d MB +\d+ min ago {2}afterimage-starter +\S.*login\.png, 448 × 256, img_[0-9a-f]{32}$/m,
    );
    assert.match(
      stdout,
      /^\d+ prefixes \(\d+\.\d MB\) in .*\n\d+ readings \(\d+\.\d MB\) in .*\n0 pictures .*\n0 descriptions .*\n$/m,
    );
    const cleared = await afterimage(['cache', 'clear', '--cache-dir', cache]);
    assert.match(cleared.stdout, /^Removed [1-9]/);
    const left = await afterimage(['cache', 'list', '--json', '--cache-dir', cache]);
    assert.deepEqual(JSON.parse(left.stdout).files, []);
  });

  test('config prints what a client wants', async () => {
    const { stdout } = await afterimage(['config', 'claude-code']);
    assert.ok(JSON.parse(stdout).mcpServers.afterimage);
    const told = JSON.parse((await afterimage(['config', 'claude-code', '--json'])).stdout);
    assert.equal(told.client, 'claude-code');
    assert.deepEqual(JSON.parse(told.snippet), JSON.parse(stdout));
    const shared = await afterimage(['config', 'claude-code', '--remote']);
    assert.deepEqual(JSON.parse(shared.stdout).mcpServers.afterimage.args.slice(-1), ['--remote']);
  });

  test('help and version', async () => {
    assert.match((await afterimage(['--help'])).stdout, / describe FILE/);
    assert.match((await afterimage(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  });
});
