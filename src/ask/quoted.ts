/** A text between quotation marks, as answers quote what was read. */
export function quoted(text: string): string {
  return `"${text.replaceAll('"', "'")}"`;
}
