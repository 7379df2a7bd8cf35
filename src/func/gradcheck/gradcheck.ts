/** Checks gradients against finite differences: https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html */

import { grad } from "../../autograd/backward.ts";
import { AssertionError } from "../../errors.ts";
import { checkKeywords } from "../../keywords.ts";
import type { Tensor } from "../../tensor.ts";
import { is_tensor } from "../../tensor.ts";
import { checkBatchedBackward, checkBatchedForward } from "./batched.ts";
import { GradcheckError } from "./errors.ts";
import { checkUndefinedTangents } from "./forward.ts";
import {
  asList,
  type CheckedFunction,
  checkedInputs,
  checkInputs,
  differentiableOutputs,
  type ListFunction,
  listFunction,
} from "./inputs.ts";
import { compareFast, compareSlowly } from "./modes.ts";
import { checkUndefinedGradients, checkZeroGradients } from "./properties.ts";

interface CommonOptions {
  /** Step of the finite differences. Default 1e-6, which needs float64. */
  readonly eps?: number;
  /** Absolute tolerance. Default 1e-5. */
  readonly atol?: number;
  /** Relative tolerance. Default 1e-3. */
  readonly rtol?: number;
  /** Throw a `GradcheckError` with the difference rather than return false. Default true. */
  readonly raise_exception?: boolean;
  /** Accept gradients that do not repeat within this. Default 0. */
  readonly nondet_tol?: number;
  /** Check that backward takes an undefined gradient of an output for zeros. Default true. */
  readonly check_undefined_grad?: boolean;
  /** Check that gradients have the type of their inputs. Default false. */
  readonly check_grad_dtypes?: boolean;
  /** Check that backward can run under `vmap`. Default false. */
  readonly check_batched_grad?: boolean;
  /** Compare products of the Jacobians with random vectors rather than every element. Default false. */
  readonly fast_mode?: boolean;
  /** About sparse tensors, of which there are none: no effect. */
  readonly masked?: boolean | null;
}

export interface GradcheckOptions extends CommonOptions {
  /** Check forward mode too. Default false. */
  readonly check_forward_ad?: boolean;
  /** Check backward. Default true. */
  readonly check_backward_ad?: boolean;
  /** Check that forward mode can run under `vmap`. Default false. */
  readonly check_batched_forward_grad?: boolean;
}

export interface GradgradcheckOptions extends CommonOptions {
  /** Where `grad_outputs` are not given, take some whose elements are not next to each other. Default false. */
  readonly gen_non_contig_grad_outputs?: boolean;
  /** Check forward mode through backward. Default false. */
  readonly check_fwd_over_rev?: boolean;
  /** Check backward through backward. Default true. */
  readonly check_rev_over_rev?: boolean;
}

const COMMON = [
  "eps",
  "atol",
  "rtol",
  "raise_exception",
  "nondet_tol",
  "check_undefined_grad",
  "check_grad_dtypes",
  "check_batched_grad",
  "fast_mode",
  "masked",
];
const GRADCHECK = [...COMMON, "check_forward_ad", "check_backward_ad", "check_batched_forward_grad"];
const GRADGRADCHECK = [...COMMON, "gen_non_contig_grad_outputs", "check_fwd_over_rev", "check_rev_over_rev"];

/**
 * Whether the gradients that `fn` has for its inputs agree with finite differences. `inputs` is a tensor or a list of
 * arguments; those tensors that require a gradient are checked, and should be float64 without overlapping elements.
 * Throws a `GradcheckError` that shows both Jacobians, unless `raise_exception` is false.
 */
export function gradcheck(
  fn: CheckedFunction,
  inputs: readonly unknown[] | Tensor,
  options: GradcheckOptions = {},
): boolean {
  checkKeywords("gradcheck", options, GRADCHECK);
  const { check_forward_ad = false, check_backward_ad = true } = options;
  if (!check_forward_ad && !check_backward_ad) {
    throw new AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True");
  }
  if (options.check_batched_grad && !check_backward_ad) {
    throw new AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True");
  }
  if (options.check_batched_forward_grad && !check_forward_ad) {
    throw new AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True");
  }
  return checked(listFunction(fn), is_tensor(inputs) ? [inputs] : asList(inputs), options);
}

function checked(fn: ListFunction, inputs: readonly unknown[], options: GradcheckOptions): boolean {
  try {
    runChecks(fn, inputs, options);
  } catch (error) {
    if (error instanceof GradcheckError && options.raise_exception === false) return false;
    throw error;
  }
  return true;
}

function runChecks(fn: ListFunction, inputs: readonly unknown[], options: GradcheckOptions): void {
  checkInputs(inputs);
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, nondet_tol = 0, check_grad_dtypes = false } = options;
  const { check_forward_ad = false, check_backward_ad = true, check_undefined_grad = true } = options;
  const problem = { fn, inputs, outputs: fn(inputs) };
  const compare = options.fast_mode ? compareFast : compareSlowly;
  const settings = { eps, atol, rtol, nondet_tol, check_grad_dtypes };
  if (check_backward_ad) compare(problem, settings, false);
  if (check_forward_ad) {
    compare(problem, settings, true);
    if (check_undefined_grad) checkUndefinedTangents(problem);
  }
  if (options.check_batched_forward_grad) checkBatchedForward(problem);
  if (!check_backward_ad) return;
  const tensors = checkedInputs(inputs).map(({ tensor }) => tensor);
  const outputs = differentiableOutputs(problem.outputs);
  if (options.check_batched_grad) for (const [i, o] of outputs.entries()) checkBatchedBackward(o, tensors, i);
  checkZeroGradients(outputs, tensors);
  if (check_undefined_grad) checkUndefinedGradients(problem, tensors);
}

/**
 * Whether second derivatives agree: gradcheck of the gradient of `fn`, by its inputs and by `grad_outputs`, which weight
 * its outputs; random weights in [-1, 1) if they are not given.
 */
export function gradgradcheck(
  fn: CheckedFunction,
  inputs: readonly unknown[] | Tensor,
  grad_outputs: Tensor | readonly Tensor[] | null | GradgradcheckOptions = null,
  options: GradgradcheckOptions = {},
): boolean {
  const keywords = isOptionsOnly(grad_outputs) ? grad_outputs : options;
  const given = isOptionsOnly(grad_outputs) ? null : grad_outputs;
  checkKeywords("gradgradcheck", keywords, GRADGRADCHECK);
  const { check_fwd_over_rev = false, check_rev_over_rev = true, check_undefined_grad = true } = keywords;
  if (!check_fwd_over_rev && !check_rev_over_rev) {
    throw new AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True");
  }
  if (check_undefined_grad && !check_rev_over_rev) {
    throw new AssertionError("Setting check_undefined_grad=True requires check_rev_over_rev to be True");
  }
  if (keywords.check_batched_grad && !check_rev_over_rev) {
    throw new AssertionError("Setting check_batched_grad=True requires check_rev_over_rev to be True");
  }
  const function_ = listFunction(fn);
  const args = is_tensor(inputs) ? [inputs] : asList(inputs);
  const weights =
    given === null
      ? differentiableOutputs(function_(args)).map((o) =>
          randomWeights(o, keywords.gen_non_contig_grad_outputs ?? false),
        )
      : (asList(given) as readonly Tensor[]);
  // Forward mode detaches what it is given.
  const wanted = args.map((a) => is_tensor(a) && a.requires_grad);
  const weighted = weights.map((w) => w.requires_grad);
  const restore = (all: readonly unknown[], flags: readonly boolean[]): readonly unknown[] =>
    all.map((x, i) => (flags[i] ? (x as Tensor).requires_grad_() : x));
  const gradient: ListFunction = (all) => {
    const xs = restore(all.slice(0, args.length), wanted);
    const outputs = differentiableOutputs(function_(xs));
    const grad_outputs = restore(all.slice(args.length), weighted) as readonly Tensor[];
    const by = xs.filter((_, i) => wanted[i]) as Tensor[];
    return grad(outputs, by, { grad_outputs, create_graph: true, allow_unused: true }).filter((g) => g !== null);
  };
  const { gen_non_contig_grad_outputs: _, check_fwd_over_rev: __, check_rev_over_rev: ___, ...rest } = keywords;
  return checked(gradient, [...args, ...weights], {
    ...rest,
    check_undefined_grad,
    check_forward_ad: check_fwd_over_rev,
    check_backward_ad: check_rev_over_rev,
  });
}

function isOptionsOnly(x: unknown): x is GradgradcheckOptions {
  return typeof x === "object" && x !== null && !is_tensor(x) && !Array.isArray(x);
}

/** Random weights for an output: every second element of a longer tensor if `noncontiguous`. */
function randomWeights(output: Tensor, noncontiguous: boolean): Tensor {
  const sizes = [...output.sizes];
  const empty = (shape: number[]): Tensor => output.detach().new_empty(shape);
  if (!noncontiguous || output.numel() < 2) return empty(sizes).uniform_(-1, 1).requires_grad_();
  const last = sizes.length - 1;
  const length = sizes[last];
  sizes[last] = 2 * length;
  const strides = [...output.sizes].map((_, d) => sizes.slice(d + 1).reduce((a, b) => a * b, d === last ? 2 : 1));
  return empty(sizes)
    .uniform_(-1, 1)
    .as_strided([...output.sizes], strides, 1)
    .requires_grad_();
}
