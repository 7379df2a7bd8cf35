/** Dropout. The layers' functions: by default in training. */
import { RuntimeError, ValueError } from "../../errors.ts";
import { bind } from "../../ops/define/schema.ts";
import * as ops from "../../ops/dropout.ts";
import type { Tensor } from "../../tensor.ts";

/** Keyword arguments of dropout. */
export interface DropoutOptions {
  /** The probability of an element to be zeroed; 0.5 by default. */
  readonly p?: number;
  readonly training?: boolean;
  readonly inplace?: boolean;
}

type Arguments = readonly [
  p?: number | DropoutOptions,
  training?: boolean | DropoutOptions,
  inplace?: boolean | DropoutOptions,
];
type Op = (input: Tensor, p: number, train: boolean) => Tensor;

function call(name: string, input: Tensor, args: Arguments, training: boolean, op: Op, inplaceOp: Op): Tensor {
  const [x, p, train, inplace] = bind(
    `${name}(Tensor input, float p=0.5, bool training=${training ? "True" : "False"}, bool inplace=False)`,
    [input, ...args],
  ) as [Tensor, number, boolean, boolean];
  if (!(p >= 0 && p <= 1)) {
    throw new ValueError(
      `dropout probability has to be between 0 and 1, but got ${Number.isInteger(p) ? `${p}.0` : p}`,
    );
  }
  return (inplace ? inplaceOp : op)(x, p, train);
}

/** Zeroes elements with probability `p` and divides the others by 1 − p; in training only. */
export function dropout(input: Tensor, ...args: [...Arguments]): Tensor {
  return call("dropout", input, args, true, ops.dropout, ops.dropout_);
}

/** Dropout that keeps the mean and the variance of SELU's outputs. Off unless `training` is given. */
export function alpha_dropout(input: Tensor, ...args: [...Arguments]): Tensor {
  return call("alpha_dropout", input, args, false, ops.alpha_dropout, ops.alpha_dropout_);
}

/** `alpha_dropout` of whole channels. */
export function feature_alpha_dropout(input: Tensor, ...args: [...Arguments]): Tensor {
  return call("feature_alpha_dropout", input, args, false, ops.feature_alpha_dropout, ops.feature_alpha_dropout_);
}

/** Zeroes whole channels of [N, C, L], or of [C, L] as one sample. */
export function dropout1d(input: Tensor, ...args: [...Arguments]): Tensor {
  const rank = input.sizes.length;
  if (rank !== 2 && rank !== 3) {
    throw new RuntimeError(
      `dropout1d: Expected 2D or 3D input, but received a ${rank}D input. Note that dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs).`,
    );
  }
  const [, , , inplace] = bind("dropout1d(Tensor input, float p=0.5, bool training=True, bool inplace=False)", [
    input,
    ...args,
  ]) as [Tensor, number, boolean, boolean];
  if (rank === 3) return call("dropout1d", input, args, true, ops.feature_dropout, ops.feature_dropout_);
  const batch = call("dropout1d", input.unsqueeze(0), args, true, ops.feature_dropout, ops.feature_dropout_);
  return inplace ? input : batch.squeeze(0);
}

/** Zeroes whole channels of [N, C, H, W]. */
export function dropout2d(input: Tensor, ...args: [...Arguments]): Tensor {
  return call("dropout2d", input, args, true, ops.feature_dropout, ops.feature_dropout_);
}

/** Zeroes whole channels of [N, C, D, H, W], or of [C, D, H, W] as one sample. */
export function dropout3d(input: Tensor, ...args: [...Arguments]): Tensor {
  if (input.sizes.length !== 4) {
    return call("dropout3d", input, args, true, ops.feature_dropout, ops.feature_dropout_);
  }
  const [, , , inplace] = bind("dropout3d(Tensor input, float p=0.5, bool training=True, bool inplace=False)", [
    input,
    ...args,
  ]) as [Tensor, number, boolean, boolean];
  const batch = call("dropout3d", input.unsqueeze(0), args, true, ops.feature_dropout, ops.feature_dropout_);
  return inplace ? input : batch.squeeze(0);
}
