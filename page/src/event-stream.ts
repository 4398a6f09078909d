// Server-sent events over fetch, which can send a header where EventSource cannot.

const END = '[DONE]';

/** Until the stream's own mark of its end. */
export async function* eventsOf<T>(response: Response): AsyncGenerator<T> {
  let rest = '';
  for await (const text of texts(response)) {
    const events = (rest + text).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      if (!event.startsWith('data: ')) continue;
      const data = event.slice('data: '.length);
      if (data === END) return;
      yield JSON.parse(data) as T;
    }
  }
}

/** Not every browser can walk through a stream. */
async function* texts({ body }: Response): AsyncGenerator<string> {
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
