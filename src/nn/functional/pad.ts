/** Padding. */
import { bind } from "../../ops/define/schema.ts";
import { padTensor } from "../../ops/padding.ts";
import type { Tensor } from "../../tensor.ts";

export type PaddingMode = "constant" | "reflect" | "replicate" | "circular";

/** Keyword arguments of `pad`. */
export interface PadOptions {
  readonly mode?: PaddingMode;
  readonly value?: number | null;
}

/**
 * Elements around a tensor. `pad` has (before, after) for the last dimension, then for the one before it, and so on; negative
 * numbers cut off. Mode "constant" (the default) takes any number of dimensions and fills with `value`, 0 by default;
 * "reflect", "replicate" and "circular" pad the last one to three.
 */
export function pad(
  input: Tensor,
  pad: readonly number[],
  mode?: PaddingMode | PadOptions,
  value?: number | null | PadOptions,
): Tensor {
  const [x, sides, how, fill] = bind('pad(Tensor input, int[] pad, str mode="constant", float? value=None)', [
    input,
    pad,
    mode,
    value,
  ]) as [Tensor, number[], string, number | null];
  return padTensor(x, sides, how, fill);
}
