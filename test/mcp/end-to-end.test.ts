// Every tool and every promise about calls, through both client libraries, over stdio and HTTP, with a spawned server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, KINDS, startHttp, type HttpServer } from './clients.js';
import { DEADLINE_MS } from './connected.js';
import { drawPictures, endToEnd } from './end-to-end.js';
import { pictureFolder } from './pictures.js';
import type { ServeSettings } from './serve.js';

const folder = pictureFolder();
const settings: ServeSettings = {
  script: { boxes: { scale: 'relative-1000', lines: true } },
  options: { allow: [folder], deadlineMs: DEADLINE_MS },
};
const file = (name: string) => `${folder}/${name}.png`;
let http: HttpServer;

before(async () => {
  await drawPictures(folder);
  http = await startHttp(settings);
});
after(() => http?.stop());

endToEnd(KINDS, folder, settings, () => http);

test('a model that loads for longer than the deadline: the first call says so, a later one has the answer', async () => {
  const client = await connect('v2 stdio', {
    script: { loadMs: 1500, warmMs: 300 },
    options: { allow: [folder], deadlineMs: 500 },
  });
  try {
    const first = await client.call('describe_image', {
      image: file('red'),
      question: 'Ready? encode takes 5000 ms',
    });
    assert.equal(first.structured['model'], 'loading');
    assert.equal(first.structured['truncated'], true);
    assert.match(first.structured['next'], /still loading/);
    assert.equal(first.structured['answer'], '');
    const { session_id } = first.structured;
    let last = first;
    for (let round = 0; last.structured['truncated']; round++) {
      assert.ok(round < 8);
      last = await client.call('chat_with_images', { message: '', session_id });
    }
    assert.match(last.structured['answer'], /Ready\?/);
    assert.equal(
      last.structured['cache'].image_tokens_reused,
      64,
      'the image was computed in the background',
    );
  } finally {
    await client.close();
  }
});

test('an engine that is too busy to hear of the deadline does not make the answer late', async () => {
  const client = await connect('v2 http', settings, http);
  try {
    const begun = performance.now();
    const { structured } = await client.call('describe_image', {
      image: file('red'),
      question: 'deaf for 9000 ms',
    });
    assert.equal(structured['stop_reason'], 'deadline');
    assert.ok(performance.now() - begun < 6000);
  } finally {
    await client.close();
  }
});

test('two clients share what was seen, and a restarted server says so clearly', async () => {
  const server = await startHttp(settings);
  const [one, two] = await Promise.all([
    connect('v2 http', settings, server),
    connect('sdk http', settings, server),
  ]);
  const { session_id } = (await one.call('describe_image', { image: file('red') })).structured;
  const second = await two.call('describe_image', { image: file('red'), question: 'Again?' });
  assert.equal(second.structured['cache'].image_tokens_reused, 64);
  const port = Number(new URL(server.url).port);
  await server.stop();
  const restarted = await startHttp({ ...settings, port, tokenFile: server.tokenFile });
  try {
    assert.equal(restarted.token, server.token, 'the token file outlives the server');
    const client = await connect('v2 http', settings, restarted);
    const { code } = await client.call('chat_with_images', { message: 'Go on', session_id });
    assert.equal(code, 'SESSION_NOT_FOUND');
  } finally {
    await restarted.stop();
  }
});
