/**
 * Sum of the Chebyshev series with coefficients `c` at x in [a, b], by Clenshaw's recurrence
 * (Clenshaw, "A note on the summation of Chebyshev series", 1955).
 */
export function chebyshev(c: readonly number[], a: number, b: number, x: number): number {
  const t = (2 * x - a - b) / (b - a);
  let next = 0;
  let current = 0;
  for (let i = c.length - 1; i > 0; i--) {
    const previous = 2 * t * current - next + (c[i] as number);
    next = current;
    current = previous;
  }
  return t * current - next + (c[0] as number);
}
