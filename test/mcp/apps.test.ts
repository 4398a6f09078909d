// The MCP App: offered to clients that say they show apps, in both eras and over both transports; for others nothing is as
// much as mentioned.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect, KINDS, startHttp, type HttpServer, type Json, type TestClient } from './clients.js';
import { draw, pictureFolder } from './pictures.js';
import type { ServeSettings } from './serve.js';

const folder = pictureFolder();
const picture = `${folder}/a.png`;
const settings: ServeSettings = { options: { allow: [folder] } };
const URI = 'ui://afterimage/look';
const TYPE = 'text/html;profile=mcp-app';
const announced = { extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: [TYPE] } } };

let http: HttpServer;
before(async () => {
  await draw(picture, '#ffffff', [{ x: 40, y: 60, width: 60, height: 24, color: '#cc0000' }]);
  http = await startHttp(settings);
});
after(() => http?.stop());

for (const kind of KINDS)
  describe(kind, () => {
    let shows: TestClient;
    let plain: TestClient;
    before(async () => {
      [shows, plain] = await Promise.all([
        connect(kind, settings, http, undefined, announced),
        connect(kind, settings, http),
      ]);
    });
    after(() => Promise.all([shows?.close(), plain?.close()]));

    test('every tool names the app, and nothing else of the list differs', async () => {
      const [to, others] = [await shows.tools(), await plain.tools()];
      for (const { _meta } of to) assert.equal((_meta as Json)['ui'].resourceUri, URI);
      assert.ok(others.every((tool) => !('_meta' in tool)));
      assert.deepEqual(
        to.map(({ _meta, ...tool }) => tool),
        others,
      );
    });

    test('the app is one file, listed to those alone who show it', async () => {
      const listed = async ({ raw }: TestClient) =>
        (await raw.listResources()).resources.map(({ uri }) => uri);
      assert.ok((await listed(shows)).includes(URI));
      assert.ok(!(await listed(plain)).includes(URI));
      const [content] = (await shows.raw.readResource({ uri: URI })).contents as Json[];
      assert.equal(content.mimeType, TYPE);
      assert.match(content.text, /^<!doctype html>/);
      assert.doesNotMatch(content.text, /<(script|link|img)[^>]+(src|href)=/, 'it fetches nothing');
      assert.deepEqual(content._meta.ui.csp, {});
      assert.ok(content.text.length < 100_000, `${content.text.length} characters`);
    });

    test('a result says to the app what was reused, and to no other client', async () => {
      const ask = (client: TestClient) =>
        client.raw.callTool({
          name: 'describe_image',
          arguments: { image: picture, question: `What does ${kind} see?` },
        }) as Promise<Json>;
      const [told, other] = [await ask(shows), await ask(plain)];
      assert.equal(told._meta['afterimage-mcp/reuse'].image_tokens, 64);
      assert.equal(other._meta?.['afterimage-mcp/reuse'], undefined);
      assert.equal(told.structuredContent.cache, undefined, 'no model pays for it');
    });

    test('the app gets a picture in the size that it shows, of what was seen alone', async () => {
      const { structured } = await shows.call('ocr', { image: picture });
      const uri = `afterimage://image/${structured['images'][0].image_id}?side=64`;
      const [content] = (await shows.raw.readResource({ uri })).contents as Json[];
      assert.equal(content.mimeType, 'image/webp');
      assert.ok(content.blob.length > 0);
      await assert.rejects(
        shows.raw.readResource({ uri: `afterimage://image/img_${'0'.repeat(32)}?side=64` }),
      );
    });
  });

test('a client that shows other kinds of apps shows none of ours', async () => {
  const other = { extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html'] } } };
  const client = await connect('sdk http', settings, http, undefined, other);
  assert.ok((await client.tools()).every((tool) => !('_meta' in tool)));
  await client.close();
});
