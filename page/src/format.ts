// Numbers as people read them.

const whole = new Intl.NumberFormat('en');

export const count = (value: number): string => whole.format(Math.round(value));

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function time(ms: number): string {
  if (ms < 995) return `${Math.max(1, Math.round(ms))} ms`;
  if (ms < 59_500) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

export function bytes(value: number): string {
  if (value < 1e6) return `${Math.ceil(value / 1e3)} kB`;
  return value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(1)} GB`;
}

export function rate(perSecond: number): string {
  return perSecond >= 100 ? count(perSecond) : perSecond.toFixed(1);
}

/** "83 %"; little is not nothing, and nearly all is not all. */
export function share(part: number, of: number): string {
  if (of <= 0) return '–';
  const percent = (100 * part) / of;
  if (percent > 0 && percent < 1) return '< 1 %';
  if (percent > 99 && percent < 100) return '> 99 %';
  return `${Math.round(percent)} %`;
}

/** The last part of a model's name. */
export const short = (name: string): string => name.split('/').at(-1)!;
