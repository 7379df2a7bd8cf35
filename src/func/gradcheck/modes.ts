/**
 * The comparison itself. Slow mode compares whole Jacobians. Fast mode compares one number for each output and input: with
 * random vectors u (of the size of the input) and v (of the output), v·(J·u) has J·u from one finite difference, and
 * (v·J)·u has v·J from one backward.
 */

import { withGradMode } from "../../autograd/mode.ts";
import { Generator } from "../../random/generator.ts";
import type { Tensor } from "../../tensor.ts";
import { type AnalyticalOptions, analyticalJacobians } from "./analytical.ts";
import { GradcheckError, mismatchMessage, slowModeMessage } from "./errors.ts";
import { forwardDerivatives, forwardJacobians } from "./forward.ts";
import {
  type CheckedInput,
  checkedInputs,
  closeInWiderType,
  isDifferentiableDType,
  type ListFunction,
  randomDirection,
} from "./inputs.ts";
import { numericalDirectionalDerivatives, numericalJacobians } from "./numerical.ts";

export interface CompareOptions extends AnalyticalOptions {
  readonly eps: number;
  readonly atol: number;
  readonly rtol: number;
}

/** A function with its inputs and its results for them. */
export interface Problem {
  readonly fn: ListFunction;
  readonly inputs: readonly unknown[];
  readonly outputs: readonly Tensor[];
}

const NOT_ZERO = "Numerical gradient for function expected to be zero";

/** The numbers of the floating-point outputs that require a gradient, among all floating-point outputs. */
function differentiablePositions(outputs: readonly Tensor[]): number[] {
  return outputs
    .filter((o) => isDifferentiableDType(o.dtype))
    .flatMap((o, position) => (o.requires_grad ? [position] : []));
}

/** Compares every Jacobian in full. */
export function compareSlowly(problem: Problem, options: CompareOptions, forward: boolean): void {
  const { fn, inputs, outputs } = problem;
  const checked = checkedInputs(inputs);
  const positions = differentiablePositions(outputs);
  const numerical = checked.map(({ index }) => numericalJacobians(fn, inputs, index, outputs, options.eps));
  if (positions.length === 0) {
    for (const jacobian of numerical.flat()) if (jacobian.ne(0).any().item()) throw new GradcheckError(NOT_ZERO);
    return;
  }
  const forwards = forward ? forwardJacobians(fn, inputs) : null;
  const differentiable = outputs.filter((o) => o.requires_grad);
  const tensors = checked.map(({ tensor }) => tensor);
  for (const [i, output] of differentiable.entries()) {
    const position = positions[i];
    const analytical = forwards?.map((all) => all[position]) ?? analyticalJacobians(output, tensors, options);
    for (const [j, a] of analytical.entries()) {
      const n = numerical[j][position];
      if (!closeInWiderType(a, n, options.rtol, options.atol)) {
        throw new GradcheckError(mismatchMessage(a, n, i, j, forward));
      }
    }
  }
}

/** Compares one number for each Jacobian. */
export function compareFast(problem: Problem, options: CompareOptions, forward: boolean): void {
  const { fn, inputs, outputs } = problem;
  const checked = checkedInputs(inputs);
  const positions = differentiablePositions(outputs);
  const differentiable = outputs.filter((o) => o.requires_grad);
  // A generator of its own leaves the user's alone, and gives the same vectors each time.
  const generator = new Generator();
  const us = checked.map(({ tensor }) => randomDirection(tensor, generator));
  const vs = forward ? null : differentiable.map((output) => randomDirection(output, generator));
  const numerical = checked.map(({ index }, j) =>
    numericalDirectionalDerivatives(fn, inputs, index, us[j], options.eps),
  );
  if (differentiable.length === 0) {
    for (const derivative of numerical.flat()) {
      if (derivative.numel() > 0 && Number(derivative.abs().max().item()) > options.nondet_tol) {
        throw new GradcheckError(NOT_ZERO);
      }
    }
    return;
  }
  const floats = outputs.flatMap((o, k) => (isDifferentiableDType(o.dtype) ? [k] : []));
  const tensors = checked.map(({ tensor }) => tensor);
  const forwards = forward ? forwardDerivatives(fn, inputs, us) : null;
  for (const [i, output] of differentiable.entries()) {
    const v = vs?.[i] ?? null;
    const products = v === null ? null : analyticalJacobians(output, tensors, options, v);
    for (const [j, u] of us.entries()) {
      const derivative = numerical[j][floats[positions[i]]];
      const [a, n] = withGradMode(false, () =>
        v === null
          ? [(forwards as Tensor[][])[j][positions[i]], derivative]
          : [(products as Tensor[])[j].select(1, 0).dot(u), v.mul(derivative).sum()],
      );
      // A difference of up to atol in each element of J adds up to this in v·J·u.
      const atol = options.atol * Number(u.sum().item()) * (v === null ? 1 : Number(v.sum().item()));
      if (closeInWiderType(a, n, options.rtol, atol)) continue;
      throw new GradcheckError(
        mismatchMessage(a, n, i, j, forward) + slowly(problem, options, forward, checked, i, j, positions[i]),
      );
    }
  }
}

/** What slow mode says about an output and an input that fail in fast mode. */
function slowly(
  { fn, inputs, outputs }: Problem,
  options: CompareOptions,
  forward: boolean,
  checked: readonly CheckedInput[],
  i: number,
  j: number,
  position: number,
): string {
  const numerical = numericalJacobians(fn, inputs, checked[j].index, outputs, options.eps)[position];
  const analytical = forward
    ? forwardJacobians(fn, inputs)[j][position]
    : analyticalJacobians(
        outputs.filter((o) => o.requires_grad)[i],
        checked.map(({ tensor }) => tensor),
        { nondet_tol: Number.POSITIVE_INFINITY, check_grad_dtypes: false },
      )[j];
  const agree = closeInWiderType(analytical, numerical, options.rtol, options.atol);
  return slowModeMessage(numerical, analytical, numerical.sub(analytical).abs().max(), agree);
}
