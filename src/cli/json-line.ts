// What --json prints: one object on one line, its fields spelled as those of the tools' results.

export function writeJson(value: object): void {
  process.stdout.write(`${JSON.stringify(spelledAsTools(value))}\n`);
}

/** modelType → model_type, at any depth. */
export function spelledAsTools(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(spelledAsTools);
  if (typeof value !== 'object' || value === null) return value;
  const named = Object.entries(value).map(([key, part]) => [snakeCase(key), spelledAsTools(part)]);
  return Object.fromEntries(named) as object;
}

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
