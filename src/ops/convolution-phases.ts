/** How the outputs of a transposed convolution divide into classes that are plain sums. */
/** One dimension of a transposed convolution restricted to outputs i ≡ residue (mod stride). */
export interface Phase {
  /** First output, and how many. */
  readonly start: number;
  readonly count: number;
  /** First tap that reaches these outputs, the step between such taps, and how many there are. */
  readonly tap: number;
  readonly tapStep: number;
  readonly taps: number;
  /** The position of y that the first tap takes for the first output, and how it moves with the next tap (backwards). */
  readonly position: number;
  readonly positionStep: number;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/**
 * x[i] gets y[p] · w[t] where i = p · stride − padding + t · dilation. For the outputs of one residue class modulo the stride
 * the taps that fit form an arithmetic progression, so that each class is a plain contraction without wasted work.
 */
export function phasesOf(size: number, kernel: number, stride: number, padding: number, dilation: number): Phase[] {
  const phases: Phase[] = [];
  const common = gcd(dilation, stride);
  const tapStep = stride / common;
  for (let start = 0; start < Math.min(stride, size); start++) {
    let tap = 0;
    while (tap < tapStep && (start + padding - tap * dilation) % stride !== 0) tap++;
    const taps = tap >= tapStep || tap >= kernel ? 0 : Math.floor((kernel - 1 - tap) / tapStep) + 1;
    phases.push({
      start,
      count: Math.floor((size - 1 - start) / stride) + 1,
      tap: taps === 0 ? 0 : tap,
      tapStep,
      taps,
      position: taps === 0 ? 0 : (start + padding - tap * dilation) / stride,
      positionStep: dilation / common,
    });
  }
  return phases;
}

/** All choices of one phase for each dimension. */
export function combinations(phases: readonly Phase[][]): Phase[][] {
  return phases.reduce<Phase[][]>((all, own) => all.flatMap((c) => own.map((p) => [...c, p])), [[]]);
}
