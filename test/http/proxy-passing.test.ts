// What the proxy passes on, what it refuses, and whom it serves.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as ask, type IncomingMessage } from 'node:http';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { longestPause } from '../image/loop-pause.js';
import type { Json } from '../mcp/clients.js';
import { ScriptedEngine } from '../mcp/scripted-engine.js';
import { blue, chatOf, png, red, texts, upstream, using } from './proxied.js';
import { provider } from './provider.js';

describe('passing', () => {
  test('keys and headers pass; what belongs to one connection does not', () =>
    using(async ({ post }) => {
      const headers = {
        authorization: 'Bearer sk-secret',
        'x-api-key': 'sk-ant-secret',
        'anthropic-version': '2023-06-01',
        'x-afterimage-token': 'ours',
        'accept-encoding': 'zstd, br',
      };
      await post('/v1/messages', chatOf(png(red)), { headers });
      const { headers: got, body } = upstream.got[0]!;
      assert.equal(got.authorization, 'Bearer sk-secret');
      assert.equal(got['x-api-key'], 'sk-ant-secret');
      assert.equal(got['anthropic-version'], '2023-06-01');
      assert.equal(got['accept-encoding'], 'zstd, br');
      assert.equal(got['x-afterimage-token'], undefined);
      assert.equal(got.host, new URL(upstream.url).host);
      assert.equal(Number(got['content-length']), Buffer.byteLength(body));
    }));

  test('other paths pass as they are, by every method', () =>
    using(async ({ url, post }) => {
      upstream.answer = (response, { method, body }) => {
        response.writeHead(method === 'DELETE' ? 204 : 200, { 'Set-Cookie': ['a=1', 'b=2'] });
        response.end(method === 'DELETE' ? undefined : body);
      };
      const listed = await fetch(`${url}/v1/models?limit=2`);
      assert.deepEqual(listed.headers.getSetCookie(), ['a=1', 'b=2']);
      const raw = '{"input": broken json';
      assert.equal(await (await post('/v1/embeddings', raw)).text(), raw);
      assert.equal((await fetch(`${url}/v1/responses/resp_1`, { method: 'DELETE' })).status, 204);
      assert.deepEqual(
        upstream.got.map(({ method, url: path }) => `${method} ${path}`),
        ['GET /v1/models?limit=2', 'POST /v1/embeddings', 'DELETE /v1/responses/resp_1'],
      );
    }));

  for (const [address, asked, wanted] of [
    ['', '/v1/messages', '/v1/messages'],
    ['/v1', '/v1/chat/completions', '/v1/chat/completions'],
    ['/v1/', '/chat/completions', '/v1/chat/completions'],
    ['/api/paas/v4', '/v1/chat/completions', '/api/paas/v4/chat/completions'],
    ['/api/anthropic', '/v1/messages', '/api/anthropic/v1/messages'],
  ] as const) {
    test(`${asked} at a provider's "${address}" is ${wanted}`, () =>
      using(
        async ({ post }) => {
          await post(asked, chatOf(png(red)));
          assert.equal(upstream.got[0]!.url, wanted);
          assert.match(upstream.got[0]!.body, /image_id/);
        },
        { upstream: upstream.url + address },
      ));
  }

  test('errors of the provider are passed on as they are', () =>
    using(async ({ post }) => {
      for (const [status, type, body] of [
        [401, 'application/json', '{"error":{"message":"Incorrect API key"}}'],
        [429, 'application/json', '{"type":"error","error":{"type":"rate_limit_error"}}'],
        [500, 'text/html', '<h1>Bad</h1>'],
        [307, 'text/plain', ''],
      ] as const) {
        upstream.answer = (response) => {
          response.writeHead(status, { 'Content-Type': type, 'Retry-After': '7', Location: '/elsewhere' });
          response.end(body);
        };
        const response = await post('/v1/messages', chatOf(png(red)), { redirect: 'manual' });
        assert.deepEqual(
          [response.status, response.headers.get('content-type'), response.headers.get('retry-after')],
          [status, type, '7'],
        );
        assert.equal(await response.text(), body);
      }
    }));

  test('a provider that is not there is said in the dialect', async () => {
    const gone = await provider();
    await gone.close();
    await using(
      async ({ post }) => {
        const chat = await post('/v1/chat/completions', chatOf(png(red)));
        assert.equal(chat.status, 502);
        assert.equal(((await chat.json()) as Json).error.code, 'ENGINE_UNREACHABLE');
        const messages = await post('/v1/messages', chatOf(png(red)));
        const said = (await messages.json()) as Json;
        assert.deepEqual([messages.status, said.type, said.error.type], [502, 'error', 'api_error']);
        assert.match(said.error.message, /does not answer \(ECONNREFUSED\); check --upstream/);
      },
      { upstream: gone.url },
    );
  });

  test('an answer that breaks off is not taken for a whole one', () =>
    using(async ({ post }) => {
      upstream.answer = (response) => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        response.write('data: half\n\n', () => response.destroy());
      };
      const response = await post('/v1/messages', chatOf(png(red)));
      assert.equal(response.status, 200);
      await assert.rejects(response.text());
    }));

  test('a client that leaves ends the provider’s answer', () =>
    using(async ({ post }) => {
      upstream.answer = (response) => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        response.write('data: 1\n\n');
      };
      const leave = new AbortController();
      const response = await post('/v1/messages', chatOf(png(red)), { signal: leave.signal });
      await response.body!.getReader().read();
      leave.abort();
      for (let tries = 0; upstream.left === 0; tries++) {
        assert.ok(tries < 100, 'the provider heard of it');
        await sleep(20);
      }
    }));

  test('a client that leaves while its picture is looked at stops that, unless another waits for it', () => {
    const engine = new ScriptedEngine();
    const open = engine.open.bind(engine);
    const begun = async (questions: number): Promise<void> => {
      while (engine.status().cache['begun']! < questions) await sleep(20);
    };
    engine.open = () => {
      const session = open();
      const slow = {
        role: 'user' as const,
        content: [{ type: 'text' as const, text: 'prefill takes 900 ms' }],
      };
      return { ...session, ask: (messages, options) => session.ask([...messages, slow], options) };
    };
    const cancelled = () => engine.status().cache['cancelled']!;
    return using(
      async ({ post }) => {
        const leave = new AbortController();
        const leaving = post('/v1/messages', chatOf(png(red)), { signal: leave.signal });
        const staying = post('/v1/messages', chatOf(png(red)));
        await begun(1);
        await sleep(300); // the second request is there, too
        leave.abort();
        await assert.rejects(leaving);
        assert.equal((await staying).status, 200);
        assert.equal(cancelled(), 0);
        const alone = new AbortController();
        const other = post('/v1/messages', chatOf(png(blue)), { signal: alone.signal });
        await begun(2);
        alone.abort();
        await assert.rejects(other);
        for (let tries = 0; cancelled() === 0; tries++) {
          assert.ok(tries < 100, 'the engine heard of it');
          await sleep(20);
        }
        assert.equal(upstream.got.length, 1);
      },
      {},
      engine,
    );
  });
});

describe('bodies', () => {
  test('compressed ones are searched as well, and passed as they are where nothing is found', () =>
    using(async ({ post }) => {
      for (const [encoding, packed] of [
        ['gzip', gzipSync(chatOf(png(red)))],
        ['br', brotliCompressSync(chatOf(png(red)))],
      ] as const) {
        const response = await post('/v1/messages', packed, { headers: { 'content-encoding': encoding } });
        assert.equal(response.status, 200);
        assert.match(texts()[0]!, /image_id/);
        assert.equal(upstream.got.at(-1)!.headers['content-encoding'], undefined);
      }
      const plain = gzipSync(chatOf({ type: 'text', text: 'x' }));
      await post('/v1/messages', plain, { headers: { 'content-encoding': 'gzip' } });
      assert.equal(upstream.got.at(-1)!.headers['content-encoding'], 'gzip');
      assert.equal(Number(upstream.got.at(-1)!.headers['content-length']), plain.length);
    }));

  for (const [what, body, headers, status, said] of [
    ['no JSON', '{"messages": [', {}, 400, /no JSON/],
    ['nothing', '', {}, 400, /no JSON/],
    ['comments', '{"messages": [] /* x */}', {}, 400, /no JSON/],
    ['deep nesting', `{"messages":${'['.repeat(200_000)}`, {}, 400, /nested too deeply|no JSON/],
    ['too many values', `{"messages":[${'0,'.repeat(1_100_000)}0]}`, {}, 400, /more than 1000000 values/],
    ['no gzip', 'x', { 'content-encoding': 'gzip' }, 400, /no gzip/],
    [
      'something compressed in another way',
      'x',
      { 'content-encoding': 'lzma' },
      400,
      /"lzma" cannot be searched/,
    ],
    [
      'far too much, unpacked',
      gzipSync(Buffer.alloc(9 * 2 ** 20, 32)),
      { 'content-encoding': 'gzip' },
      413,
      /more than 8 MB/,
    ],
    ['too much', 'x'.repeat(9 * 2 ** 20), {}, 413, /more than 8 MB/],
  ] as const) {
    test(`refused with a next step, and nothing is passed on: ${what}`, () =>
      using(
        async ({ post }) => {
          const response = await post('/v1/chat/completions', body, { headers });
          assert.equal(response.status, status);
          assert.match(((await response.json()) as Json).error.message, said);
          assert.equal(upstream.got.length, 0);
          assert.equal((await post('/v1/chat/completions', chatOf(png(red)))).status, 200);
        },
        { mostBytes: 8 * 2 ** 20 },
      ));
  }

  test('one that comes in pieces and is too long is told so', () =>
    using(
      async ({ post }) => {
        const endless = new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(2 ** 16).fill(32)),
        });
        const response = await post(
          '/v1/messages',
          endless as unknown as string,
          {
            duplex: 'half',
          } as RequestInit,
        );
        assert.equal(response.status, 413);
      },
      { mostBytes: 2 ** 20 },
    ));

  test('the event loop goes on under a large one', () =>
    using(async ({ url, post }) => {
      await post('/v1/messages', chatOf(png(red)));
      const padding = { type: 'text', text: 'x'.repeat(10 * 2 ** 20) };
      const body = Buffer.from(chatOf(padding, png(red), padding));
      const send = async (): Promise<void> => {
        const { hostname, port } = new URL(url);
        const sent = ask({ hostname, port, path: '/v1/messages', method: 'POST' });
        const answered = once(sent, 'response');
        for (let at = 0; at < body.length; at += 2 ** 16)
          if (!sent.write(body.subarray(at, at + 2 ** 16))) await once(sent, 'drain');
        sent.end();
        const [response] = (await answered) as [IncomingMessage];
        assert.equal(response.resume().statusCode, 200);
      };
      upstream.counts = true;
      const before = upstream.received;
      const pause = await longestPause(send).finally(() => (upstream.counts = false));
      assert.ok(upstream.received - before > 20 * 2 ** 20);
      assert.ok(
        pause <= Number(process.env['AFTERIMAGE_LOOP_MS'] ?? 60),
        `the loop stood still for ${pause} ms`,
      );
    }));
});

describe('who may come', () => {
  const knock = (url: string, headers: Record<string, string>, path = '/v1/models') =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const { hostname, port } = new URL(url);
      const sent = ask({ hostname, port, path, headers }, (response) => {
        let text = '';
        response.on('data', (more) => (text += more));
        response.on('end', () => resolve({ status: response.statusCode!, text }));
      });
      sent.on('error', reject);
      sent.end();
    });

  test('this machine’s programs, not pages that a browser shows', () =>
    using(async ({ url }) => {
      assert.equal((await knock(url, {})).status, 200);
      assert.equal((await knock(url, { host: 'evil.example' })).status, 403);
      assert.equal((await knock(url, { origin: 'https://evil.example' })).status, 403);
      assert.equal((await knock(url, {}, 'http://evil.example/v1/models')).status, 400);
      assert.equal(upstream.got.length, 1);
    }));

  test('with --host whoever knows the token, whose key goes to the provider and whose token does not', () => {
    const token = 't'.repeat(32);
    return using(
      async ({ url }) => {
        const refused = await knock(url, { authorization: `Bearer ${token}` });
        assert.equal(refused.status, 401);
        assert.match(JSON.parse(refused.text).error.message, /x-afterimage-token/);
        const headers = { 'x-afterimage-token': token, authorization: 'Bearer sk', host: 'eyes.example' };
        assert.equal((await knock(url, headers)).status, 200);
        assert.deepEqual(
          upstream.got.map(({ headers: got }) => [got.authorization, got['x-afterimage-token']]),
          [['Bearer sk', undefined]],
        );
      },
      { elsewhere: { host: '127.0.0.1', tokens: [token] } },
    );
  });
});
