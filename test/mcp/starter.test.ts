// The whole way: a client, the command line's server, the native engine and the model that comes with the project.
// What the answers say is the model's affair; that they come, are reused, cut, cancelled and continued is checked here.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { copyFileSync } from 'node:fs';
import { connect, startHttp, type HttpServer, type Outcome, type TestClient } from './clients.js';
import { draw, pictureFolder } from './pictures.js';

const folder = pictureFolder();
const launch = ['--allow', folder, '--no-disk-cache', '--threads', '2'];
const small = `${folder}/small.png`;
const changed = `${folder}/changed.png`;
/** 32 × 24 tokens of the starter model: a second of work on two cores. */
const large = `${folder}/large.png`;
const tall = `${folder}/tall.png`;
let http: HttpServer;

before(async () => {
  copyFileSync(new URL('../image/fixtures/cases/tall/tall_2400.png', import.meta.url), tall);
  await draw(small, '#eeeeee', [{ x: 30, y: 40, width: 90, height: 30, color: '#113388' }]);
  await draw(changed, '#eeeeee', [{ x: 30, y: 40, width: 90, height: 30, color: '#aa2222' }]);
  await draw(large, '#dddddd', [{ x: 200, y: 270, width: 460, height: 200, color: '#227744' }], {
    width: 1024,
    height: 768,
  });
  http = await startHttp([...launch, '--preload']);
});
after(() => http?.stop());

function answered({ isError, text, structured }: Outcome): Outcome['structured'] {
  assert.equal(isError, false, text);
  return structured;
}

for (const kind of ['v2 stdio', 'sdk http'] as const) {
  describe(kind, () => {
    let client: TestClient;
    before(async () => {
      client = await connect(kind, launch, http);
    });
    after(() => client?.close());

    test('every tool answers, and no image is computed twice', async () => {
      const first = answered(await client.call('describe_image', { image: small, max_tokens: 16 }));
      assert.ok(first['answer'].length > 0);
      assert.notEqual(first['model'], 'none');
      assert.ok(first['images'][0].viewed_width > 0);
      for (const [name, args] of [
        ['ocr', { image: small, max_tokens: 8 }],
        ['chat_with_images', { message: 'What color is the box?', images: [small], max_tokens: 8 }],
      ] as const) {
        const { cache } = answered(await client.call(name, args));
        assert.equal(cache.image_tokens_reused, cache.image_tokens, `${name} after describe_image`);
        assert.equal(cache.encode_ms, 0);
      }
      const compared = answered(
        await client.call('compare_images', {
          image_a: small,
          image_b: changed,
          question: 'What is new?',
          max_tokens: 8,
        }),
      );
      assert.equal(compared['changed_pixels'], 90 * 30);
      assert.ok(
        compared['cache'].image_tokens_reused >= first['cache'].image_tokens,
        'the first image is known',
      );
      const measured = answered(await client.call('compare_images', { image_a: small, image_b: changed }));
      assert.equal(measured['model'], 'none', 'without a question the bundled model has nothing to add');
      assert.match(measured['answer'], /of the pixels changed, in one place/);
    });

    test('a session, its second question and its fork compute no image', async () => {
      const { session_id, note } = answered(
        await client.call('chat_with_images', { message: 'Hello', images: [changed], max_tokens: 4 }),
      );
      assert.match(note, /bundled model.*afterimage pull/);
      for (const fork of [false, true]) {
        const { cache, note: again } = answered(
          await client.call('chat_with_images', { message: 'And now?', session_id, fork, max_tokens: 4 }),
        );
        assert.equal(cache.image_tokens_reused, cache.image_tokens);
        assert.equal(again, undefined, 'what the bundled model is was said before');
      }
    });

    test('cancelled while it encodes, prefills or decodes, the next answer is as if nothing had been', async () => {
      const question = { image: large, question: `Which client asks? ${kind}`, max_tokens: 24 };
      const begun = performance.now();
      for (const patience of [60, 400, 1500]) {
        const controller = new AbortController();
        const call = client.call(
          'describe_image',
          { ...question, max_tokens: 2000 },
          { signal: controller.signal },
        );
        setTimeout(() => controller.abort(), patience);
        await call.then(
          () => undefined,
          () => undefined,
        );
      }
      const quick = performance.now();
      answered(await client.call('describe_image', { image: small, max_tokens: 1 }));
      assert.ok(performance.now() - quick < 10_000, 'the engine is free again');
      const after = answered(await client.call('describe_image', question));
      const again = answered(await client.call('describe_image', question));
      assert.equal(after['answer'], again['answer']);
      assert.equal(again['cache'].image_tokens_reused, again['cache'].image_tokens);
      assert.ok(performance.now() - begun < 60_000);
    });
  });
}

test('a first look that takes longer than the deadline is finished by the calls after it', async () => {
  const client = await connect('v2 stdio', [...launch, '--deadline-ms', '400']);
  try {
    const begun = performance.now();
    let reply = answered(await client.call('describe_image', { image: large, max_tokens: 12 }));
    assert.ok(performance.now() - begun < 10_000, 'a cold first call keeps to its deadline');
    const { session_id } = reply;
    while (reply['stop_reason'] === 'deadline') {
      assert.ok(performance.now() - begun < 120_000, 'it comes to an answer, on a busy machine too');
      const asked = performance.now();
      reply = answered(await client.call('chat_with_images', { message: '', session_id, max_tokens: 2 }));
      assert.ok(performance.now() - asked < 10_000, 'so do the others');
    }
    assert.equal(reply['cache'].image_tokens_reused, reply['cache'].image_tokens);
  } finally {
    await client.close();
  }
});

test('a tall picture that was shrunk says by how much, and its regions are seen as they are', async () => {
  const client = await connect('v2 stdio', launch);
  const seen = async (args: object) => {
    const asked = { question: 'What is it?', reading: false, max_tokens: 1, ...args };
    let reply = answered(await client.call('describe_image', asked));
    for (let round = 0; reply['stop_reason'] === 'deadline'; round++) {
      assert.ok(round < 8, 'it comes to an answer');
      const { session_id } = reply;
      reply = answered(await client.call('chat_with_images', { message: '', session_id, max_tokens: 1 }));
    }
    return reply;
  };
  try {
    const { note } = await seen({ image: tall });
    assert.match(
      note,
      /shrunk 1\.4 times \(1280 × 2400 seen as 928 × 1728\), .* look at these regions one by one: /,
    );
    const regions = [...note.matchAll(/\[\d+, \d+, \d+, \d+\]/g)].map(([region]) => region);
    assert.deepEqual(regions, ['[0, 0, 1280, 1252]', '[0, 1148, 1280, 1252]']);
    const part = await seen({ image: tall, region: regions[1] });
    assert.deepEqual(part['images'][0].region, { x: 0, y: 1148, width: 1280, height: 1252 });
    assert.doesNotMatch(part['note'], /shrunk/);
  } finally {
    await client.close();
  }
});
