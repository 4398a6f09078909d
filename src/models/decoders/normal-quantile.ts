/**
 * z with Φ(z) = p, by Newton's method on Φ(z) = ½ + φ(z)·(z + z³/3 + z⁵/15 + …).
 * Marsaglia 2004, https://www.jstatsoft.org/article/view/v011i04. For 0 < p < 1, |z| up to about 6.
 */
export function normalQuantile(p: number): number {
  let z = 0;
  for (let step = 0; step < 50; step++) {
    const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
    const change = (below(z, density) - p) / density;
    // The curve flattens outwards: a whole step could leave the range where the series converges quickly.
    z -= Math.min(1, Math.max(-1, change));
    if (Math.abs(change) < 1e-14) break;
  }
  return z;
}

function below(z: number, density: number): number {
  let [sum, term, n] = [z, z, 1];
  let before: number;
  do {
    before = sum;
    n += 2;
    sum += term *= (z * z) / n;
  } while (sum !== before);
  return 0.5 + density * sum;
}
