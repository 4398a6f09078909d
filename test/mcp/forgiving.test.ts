// What agents get wrong and what they pay for: the same forgiveness and the same lean lists and results for both client
// libraries over both transports.
import assert from 'node:assert/strict';
import { cpSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { connect, KINDS, startHttp, type HttpServer, type Json, type TestClient } from './clients.js';
import { draw, pictureFolder } from './pictures.js';
import type { ServeSettings } from './serve.js';

const folder = pictureFolder();
const settings: ServeSettings = {
  script: { boxes: { scale: 'relative-1000', lines: true } },
  options: { allow: [folder] },
};
const picture = `${folder}/a.png`;
const tall = `${folder}/tall.png`;
const { calls } = JSON.parse(
  readFileSync(new URL('./cases/calls.json', import.meta.url), 'utf8')
    .replaceAll('"L', `"${picture}`)
    .replaceAll('L\\"', `${picture}\\"`)
    .replaceAll('\\"L', `\\"${picture}`),
) as { calls: { tool: string; arguments: Record<string, unknown> }[] };

const recorded = (name: string) =>
  JSON.parse(readFileSync(new URL(`../image/fixtures/cases/${name}`, import.meta.url), 'utf8')) as unknown;
const paths = recorded('paths.json') as {
  cases: { on_disk: string; asked: string }[];
  whole_reference: { asked: string }[];
};
const uris = recorded('data-uris.json') as { cases: Record<string, string> };
const { images: odd } = recorded('expected.json') as { images: Record<string, { size: [number, number] }> };

/** Characters of a list of tools in a token: 4.2, counted once with the o200k_base vocabulary. */
const LIST_CHARACTERS = 2500 * 4.2;

const named = [...new Set(paths.cases.map(({ on_disk }) => on_disk))];

let http: HttpServer;
before(async () => {
  // The size in which the scripted engine sees everything: nothing is shrunk.
  await draw(picture, '#ffffff', [{ x: 40, y: 60, width: 60, height: 24, color: '#cc0000' }], {
    width: 256,
    height: 128,
  });
  await draw(tall, '#ffffff', [], { width: 360, height: 1600 });
  for (const [index, name] of named.entries())
    await draw(`${folder}/${name}`, '#ffffff', [{ x: index, y: 0, width: 9, height: 9, color: '#000000' }]);
  cpSync(new URL('../image/fixtures/cases/', import.meta.url), `${folder}/odd`, { recursive: true });
  http = await startHttp(settings);
});
after(() => http?.stop());

for (const kind of KINDS) {
  describe(kind, () => {
    let client: TestClient;
    before(async () => {
      client = await connect(kind, settings, http);
    });
    after(() => client?.close());

    for (const { tool, arguments: given } of calls) {
      test(`${tool} with ${JSON.stringify({ ...given, image: undefined })}`, async () => {
        const { isError, text, structured } = await client.call(tool, { ...given, verbose: false });
        assert.equal(isError, false, text);
        const foreign = Object.keys(given).filter((key) => key === 'toolCallId');
        for (const key of foreign) assert.match(structured['note'], new RegExp(key));
        if (foreign.length === 0) assert.equal(structured['note'], undefined);
        const zero = JSON.stringify(given['region'] ?? '').includes('"width":0');
        if (given['region'] && !zero)
          assert.deepEqual(structured['images'][0].region, { x: 0, y: 0, width: 50, height: 50 });
        else assert.equal(structured['images'][0].region, undefined);
      });
    }

    const idOf = async (image: string): Promise<unknown> => {
      const { isError, text, structured } = await client.call('describe_image', { image, verbose: false });
      assert.equal(isError, false, `${image.slice(0, 80)}: ${text}`);
      return structured['images'][0].image_id;
    };

    test('a name as macOS, shells and models spell it leads to the file that it can only mean', async () => {
      for (const { on_disk, asked } of paths.cases)
        assert.equal(await idOf(`${folder}/${asked}`), await idOf(`${folder}/${on_disk}`), asked);
      for (const { asked } of paths.whole_reference.filter((one) => one.asked.includes('/dir/'))) {
        const [name] = /[^/]*\.png/.exec(decodeURI(asked))!;
        assert.equal(await idOf(asked.replaceAll('/dir', folder)), await idOf(`${folder}/${name}`), asked);
      }
    });

    test('data URIs as clients write them, and an image by its id or resource, are one image', async () => {
      const ids = new Set<unknown>();
      for (const uri of Object.values(uris.cases)) ids.add(await idOf(uri));
      const [id] = [...ids] as [string];
      for (const reference of [` ${id}\n`, `"${id}"`, `afterimage://image/${id}`])
        ids.add(await idOf(reference));
      assert.equal(ids.size, 1);
    });

    test('odd pictures are seen in their size', async () => {
      for (const [name, { size }] of Object.entries(odd)) {
        const { structured } = await client.call('describe_image', { image: `${folder}/odd/${name}` });
        const [{ width, height }] = structured['images'];
        assert.deepEqual([width, height], size, name);
      }
    });

    test('the schemas that are published stay strict, and the list of tools is short', async () => {
      const tools = await client.tools();
      assert.ok(JSON.stringify(tools).length < LIST_CHARACTERS, `${JSON.stringify(tools).length} characters`);
      for (const { inputSchema } of tools as Json[]) assert.equal(inputSchema.additionalProperties, false);
      const { region } = tools[0]!['inputSchema'].properties;
      assert.deepEqual([region.type, region.properties.x.type], ['object', 'integer']);
    });

    test('a picture that was shrunk says by how much and which regions show all of it', async () => {
      const { structured } = await client.call('describe_image', { image: tall, verbose: false });
      assert.match(structured['note'], /shrunk 12\.5 times \(360 × 1600 seen as 256 × 128\)/);
      const region = JSON.parse(/(\[[\d, ]+\])/.exec(structured['note'])![1]!);
      assert.deepEqual(region, [0, 0, 360, 91]);
      const part = await client.call('describe_image', { image: tall, region, verbose: false });
      assert.equal(part.structured['images'][0].region.height, 91);
      const again = await client.call('chat_with_images', {
        message: 'And?',
        session_id: structured['session_id'],
        verbose: false,
      });
      assert.equal(again.structured['note'], undefined, 'once is enough');
    });

    test('a result holds what an agent needs, and the rest on request', async () => {
      const { structured } = await client.call('describe_image', { image: picture, verbose: false });
      assert.deepEqual(Object.keys(structured).sort(), ['answer', 'images', 'session_id']);
      assert.deepEqual(Object.keys(structured['images'][0]).sort(), ['height', 'image_id', 'width']);
      const { structured: all } = await client.call('describe_image', { image: picture, verbose: true });
      for (const field of ['cache', 'stop_reason', 'model', 'truncated']) assert.ok(field in all, field);
      const cut = await client.call('describe_image', {
        image: picture,
        question: 'count to 9',
        max_tokens: 2,
        verbose: false,
      });
      assert.equal(cut.structured['truncated'], true);
      assert.match(cut.structured['next'], /chat_with_images/);
    });
  });
}
