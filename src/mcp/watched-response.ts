// Knows when an answer is complete: its body has been read to the end, given up or failed.

/** @param onEnd Called once. */
export async function watched(answering: Promise<Response>, onEnd: () => void): Promise<Response> {
  let response: Response;
  try {
    response = await answering;
  } catch (error) {
    onEnd();
    throw error;
  }
  const { body, status, statusText, headers } = response;
  if (!body) {
    onEnd();
    return response;
  }
  const reader = body.getReader();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      onEnd();
    },
    cancel(reason) {
      onEnd();
      return reader.cancel(reason);
    },
  });
  return new Response(stream, { status, statusText, headers });
}
