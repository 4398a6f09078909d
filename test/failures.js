/**
 * A reporter of node's test runner that names at the very end what failed and why: thousands of lines lie between a
 * failure and the closing counts.
 */
export default async function* failures(events) {
  const failed = [];
  for await (const { type, data } of events) {
    if (type === 'test:fail' && data.details.error.failureType !== 'subtestsFailed') failed.push(data);
  }
  for (const { file, line, name, details } of failed) {
    const { cause } = details.error;
    yield `\nFAILED: ${name}\n  ${file ?? ''}:${line ?? ''}\n  ${String(cause?.stack ?? details.error.message).replaceAll('\n', '\n  ')}\n`;
  }
}
