// What a conversation keeps, and how a call ends: cancelled, at its deadline, at its length, in its turn.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { KINDS, type Step, type TestClient } from './clients.js';
import { draw } from './pictures.js';
import { DEADLINE_MS, type Connected } from './connected.js';

const cancelledSoFar = async (client: TestClient): Promise<number> => {
  const { contents } = await client.raw.readResource({ uri: 'afterimage://status' });
  return JSON.parse((contents[0] as { text: string }).text).cache.cancelled;
};

export function conversations(at: Connected): void {
  const { file, kind } = at;
  test('a session keeps its images and history', async () => {
    const first = await at.client.call('chat_with_images', {
      message: 'What is this?',
      images: [file('other')],
    });
    const { session_id } = first.structured;
    assert.match(session_id, /^[0-9a-f]{32}$/, '128 random bits');
    const second = await at.client.call('chat_with_images', { message: 'And now?', session_id });
    assert.match(second.structured['answer'], /And now\? \(after 1 answers\)/);
    assert.equal(second.structured['cache'].image_tokens_reused, 64, 'cache proves the reuse');
    assert.equal(second.structured['session_id'], session_id);
    const third = await at.client.call('chat_with_images', {
      message: 'Compare',
      session_id,
      images: [file('red')],
    });
    assert.equal(third.structured['images'].length, 2);
  });

  test('fork leaves its parent as it was', async () => {
    const { session_id } = (
      await at.client.call('chat_with_images', { message: 'One', images: [file('red')] })
    ).structured;
    const fork = await at.client.call('chat_with_images', { message: 'Two', session_id, fork: true });
    assert.notEqual(fork.structured['session_id'], session_id);
    assert.match(fork.structured['answer'], /after 1 answers/);
    const parent = await at.client.call('chat_with_images', { message: 'Three', session_id });
    assert.match(parent.structured['answer'], /after 1 answers/);
  });

  test('an unknown session_id is a tool error that says what to do', async () => {
    const { isError, code, text } = await at.client.call('chat_with_images', {
      message: 'x',
      session_id: '0'.repeat(32),
    });
    assert.ok(isError);
    assert.equal(code, 'SESSION_NOT_FOUND');
    assert.match(text, /Start a new one/);
  });

  for (const [stage, question] of [
    ['prefill', 'prefill takes 5000 ms'],
    ['decode', 'count to 500, words take 20 ms'],
  ] as const) {
    test(`cancel during ${stage} reaches the engine and spoils nothing`, async () => {
      const { session_id } = (
        await at.client.call('chat_with_images', { message: 'Hello', images: [file('red')] })
      ).structured;
      const earlier = await cancelledSoFar(at.client);
      const controller = new AbortController();
      const begun = performance.now();
      const call = at.client.call(
        'chat_with_images',
        { message: question, session_id },
        { signal: controller.signal },
      );
      setTimeout(() => controller.abort(), 300);
      await assert.rejects(call);
      while ((await cancelledSoFar(at.client)) === earlier) {
        assert.ok(
          performance.now() - begun < DEADLINE_MS - 200,
          'the engine heard of it before its deadline',
        );
        await sleep(20);
      }
      const next = await at.client.call('chat_with_images', { message: 'Still there?', session_id });
      assert.match(
        next.structured['answer'],
        /after 1 answers/,
        'the cancelled question is not in the history',
      );
    });
  }

  test('the deadline returns what there is, and the answer can be continued to its end', async () => {
    const begun = performance.now();
    const first = await at.client.call('describe_image', {
      image: file('red'),
      question: 'count to 60, words take 40 ms',
    });
    assert.ok(performance.now() - begun < DEADLINE_MS + 700);
    assert.equal(first.structured['truncated'], true);
    assert.equal(first.structured['stop_reason'], 'deadline');
    assert.match(first.structured['next'], /chat_with_images/);
    const { session_id } = first.structured;
    let whole = first.structured['answer'] as string;
    for (let round = 0, more = true; more; round++) {
      assert.ok(round < 6, 'it comes to an end');
      const { structured } = await at.client.call('chat_with_images', { message: '', session_id });
      whole += structured['answer'];
      more = structured['truncated'];
    }
    assert.equal(whole, Array.from({ length: 60 }, (_, index) => index + 1).join(' '));
    const over = await at.client.call('chat_with_images', { message: '', session_id });
    assert.equal(over.code, 'INVALID_ARGUMENT');
  });

  test('max_tokens cuts, and describe_image continues in the same session', async () => {
    const first = await at.client.call('describe_image', {
      image: file('red'),
      question: 'count to 9',
      max_tokens: 4,
    });
    assert.equal(first.structured['answer'], '1 2 3 4');
    assert.equal(first.structured['stop_reason'], 'length');
    const { session_id } = first.structured;
    const more = await at.client.call('describe_image', { image: file('red'), session_id, max_tokens: 2 });
    assert.equal(more.structured['answer'], ' 5 6');
    const rest = await at.client.call('describe_image', { image: file('red'), session_id });
    assert.equal(rest.structured['answer'], ' 7 8 9');
    assert.equal(rest.structured['truncated'], false);
  });

  test('progress rises strictly and names real stages', async () => {
    const steps: Step[] = [];
    // A picture nobody has seen, so that there is something to encode.
    const image = await draw(file(kind.replace(' ', '-')), `#0${KINDS.indexOf(kind)}3311`);
    // It is read before, because starting a thread for that can take longer than the deadline.
    await at.client.call('ocr', { image });
    await at.client.call(
      'chat_with_images',
      {
        message: 'count to 3, encode takes 60 ms, prefill takes 60 ms, words take 60 ms',
        images: [image],
      },
      { onProgress: (step) => steps.push(step) },
    );
    for (const [index, step] of steps.entries())
      assert.ok(index === 0 || step.progress > steps[index - 1]!.progress);
    assert.deepEqual(
      [...new Set(steps.map(({ message }) => message?.split(',')[0]))].filter(
        (stage) => stage !== 'loading the model',
      ),
      ['waiting for other calls', 'reading the image', 'reading the question', 'answering'],
    );
  });

  test('calls at once: other sessions go on, those of one session are answered in their order', async () => {
    const slow = 'count to 6, words take 40 ms';
    const { session_id } = (
      await at.client.call('chat_with_images', { message: 'Hi', images: [file('red')] })
    ).structured;
    const ended: string[] = [];
    const ask = async (message: string, more: object) => {
      const reply = await at.client.call('chat_with_images', { message, ...more });
      ended.push(message);
      return reply;
    };
    const [, quick, second, third] = await Promise.all([
      ask(slow, { session_id }),
      ask('Quick', { images: [file('blue')] }),
      ask('Me too', { session_id }),
      ask('And me', { session_id: ` ${session_id}\n` }),
    ]);
    assert.equal(quick.isError, false);
    assert.match(second.structured['answer'], /Me too \(after 2 answers\)/);
    assert.match(third.structured['answer'], /And me \(after 3 answers\)/);
    assert.deepEqual(
      ended.filter((message) => message !== 'Quick'),
      [slow, 'Me too', 'And me'],
    );
  });

  test('a call whose turn does not come before its deadline says so, and the next one has its turn', async () => {
    const { session_id } = (
      await at.client.call('chat_with_images', { message: 'Hi', images: [file('red')] })
    ).structured;
    const [, late] = await Promise.all([
      at.client.call('chat_with_images', { message: 'deaf for 1900 ms', session_id }),
      sleep(50).then(() => at.client.call('chat_with_images', { message: 'Me too', session_id })),
    ]);
    assert.equal(late.code, 'SESSION_BUSY');
    const next = await at.client.call('chat_with_images', { message: 'Now?', session_id });
    assert.equal(next.isError, false, next.text);
  });
}
