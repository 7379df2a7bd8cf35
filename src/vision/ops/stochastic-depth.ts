/** Stochastic depth: Huang et al., "Deep networks with stochastic depth", https://arxiv.org/abs/1603.09382 */
import { ValueError } from "../../errors.ts";
import { Module } from "../../nn/module.ts";
import { empty } from "../../ops/creation.ts";
import { pythonFloat, pythonRepr } from "../../print/index.ts";
import type { Tensor } from "../../tensor.ts";

/** Whether one decision is made for the whole batch, or one for each sample. */
export type StochasticDepthMode = "batch" | "row";

/**
 * `input` with samples (or all of it) set to zero with probability `p`, and what is left divided by 1 − p, so that the
 * expectation stays. The input itself where `training` is false or `p` is 0.
 */
export function stochastic_depth(input: Tensor, p: number, mode: StochasticDepthMode, training = true): Tensor {
  if (!(p >= 0 && p <= 1)) throw new ValueError(`drop probability has to be between 0 and 1, but got ${p}`);
  if (mode !== "batch" && mode !== "row") {
    throw new ValueError(`mode has to be either 'batch' or 'row', but got ${mode}`);
  }
  if (!training || p === 0) return input;
  const survival = 1 - p;
  const sizes = new Array<number>(input.ndim).fill(1);
  if (mode === "row") sizes[0] = input.size(0);
  const noise = empty(sizes, { dtype: input.dtype }).bernoulli_(survival);
  if (survival > 0) noise.div_(survival);
  return input.mul(noise);
}

/** `stochastic_depth` as a layer. */
export class StochasticDepth extends Module {
  p: number;
  mode: StochasticDepthMode;

  constructor(p: number, mode: StochasticDepthMode) {
    super();
    this.p = p;
    this.mode = mode;
  }

  override forward(input: Tensor): Tensor {
    return stochastic_depth(input, this.p, this.mode, this.training);
  }

  override extra_repr(): string {
    return `p=${pythonRepr(pythonFloat(this.p))}, mode=${this.mode}`;
  }
}
