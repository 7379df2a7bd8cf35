/** What the families share: rounding of channel numbers, and the metrics of weights. */
/**
 * The multiple of `divisor` that is nearest to `value` and at least `min_value` (by default `divisor`); the next one where
 * that would be less than 90 % of `value`.
 */
export function _make_divisible(value: number, divisor: number, min_value: number | null = null): number {
  const nearest = Math.max(min_value ?? divisor, Math.floor(Math.trunc(value + divisor / 2) / divisor) * divisor);
  return nearest < 0.9 * value ? nearest + divisor : nearest;
}

/** Python's `round`: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Accuracies on ImageNet-1K in percent, as `_metrics` of weights has them. */
export function imageNetMetrics(
  top1: number,
  top5: number,
): Readonly<Record<string, Readonly<Record<string, number>>>> {
  return { "ImageNet-1K": { "acc@1": top1, "acc@5": top5 } };
}
