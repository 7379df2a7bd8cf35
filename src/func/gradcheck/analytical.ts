/** Derivatives by backward. */

import { grad } from "../../autograd/backward.ts";
import { withGradMode } from "../../autograd/mode.ts";
import type { Tensor } from "../../tensor.ts";
import { GradcheckError, notReentrantMessage } from "./errors.ts";
import { asList, checkedInputs, elementIndices, elementView } from "./inputs.ts";
import { checkOldArguments } from "./numerical.ts";

/** What the checks of an output need to know. */
export interface AnalyticalOptions {
  readonly nondet_tol: number;
  readonly check_grad_dtypes: boolean;
}

/** The gradients of inputs for one gradient of an output; null where the output does not depend on the input. */
type Pullback = (gradient: Tensor) => (Tensor | null)[];

function pullbackOf(output: Tensor, inputs: readonly Tensor[]): Pullback {
  return (gradient) => grad(output, inputs, { grad_outputs: gradient, retain_graph: true, allow_unused: true });
}

/** For each input, its gradients for every unit vector of the output. */
function rowsOfJacobian(pullback: Pullback, output: Tensor, inputCount: number): (Tensor | null)[][] {
  const unit = output.detach().new_zeros(output.sizes);
  const rows: (Tensor | null)[][] = Array.from({ length: inputCount }, () => []);
  for (const index of elementIndices(unit.sizes)) {
    const element = elementView(unit, index);
    withGradMode(false, () => element.fill_(1));
    for (const [i, g] of pullback(unit).entries()) {
      // A gradient may be the unit vector itself, which changes.
      rows[i].push(g === null ? null : g.detach().clone());
    }
    withGradMode(false, () => element.fill_(0));
  }
  return rows;
}

interface Stacked {
  jacobians: Tensor[];
  sizesAgree: boolean;
  dtypesAgree: boolean;
}

/** Writes gradients, which are rows by output elements, as the columns of a matrix for each input. */
function stack(rows: readonly (readonly (Tensor | null)[])[], inputs: readonly Tensor[], columns: number): Stacked {
  let sizesAgree = true;
  let dtypesAgree = true;
  const jacobians = withGradMode(false, () =>
    inputs.map((input, i) => {
      const jacobian = input.detach().new_zeros([input.numel(), columns]);
      for (const [j, g] of (rows[i] ?? []).entries()) {
        if (g === null) continue;
        if (g.sizes.length !== input.sizes.length || g.sizes.some((s, d) => s !== input.sizes[d])) sizesAgree = false;
        else if (g.dtype !== input.dtype) dtypesAgree = false;
        jacobian.select(1, j).copy_(g.reshape([-1]));
      }
      return jacobian;
    }),
  );
  return { jacobians, sizesAgree, dtypesAgree };
}

function repeats(first: readonly Tensor[], second: readonly Tensor[], tolerance: number): boolean {
  // In full: the largest difference may be NaN, which is not larger than the tolerance.
  return first.every((a, i) => a.numel() === 0 || !(Number(a.sub(second[i]).abs().max().item()) > tolerance));
}

/**
 * The Jacobians of one output, one for each input; with `v`, the one column `v · J` of each. Backward runs twice, and has to
 * give the same twice.
 */
export function analyticalJacobians(
  output: Tensor,
  inputs: readonly Tensor[],
  options: AnalyticalOptions,
  v: Tensor | null = null,
): Tensor[] {
  const pullback = pullbackOf(output, inputs);
  const rows = (): (Tensor | null)[][] =>
    v === null
      ? rowsOfJacobian(pullback, output, inputs.length)
      : pullback(v.reshape([...output.sizes])).map((g) => [g === null ? null : g.detach().clone()]);
  const columns = v === null ? output.numel() : 1;
  const first = stack(rows(), inputs, columns);
  const second = stack(rows(), inputs, columns);
  if (!first.dtypesAgree && options.check_grad_dtypes) throw new GradcheckError("Gradient has dtype mismatch");
  if (!first.sizesAgree) throw new GradcheckError("Analytical gradient has incorrect size");
  if (!repeats(first.jacobians, second.jacobians, options.nondet_tol)) {
    throw new GradcheckError(notReentrantMessage(options.nondet_tol));
  }
  return first.jacobians;
}

/**
 * Jacobians of `output` with respect to those of `inputs` that require a gradient, by backward; whether backward gives the
 * same twice; whether the gradients have the inputs' sizes, and their types. Deprecated, as in PyTorch.
 */
export function get_analytical_jacobian(
  inputs: Tensor | readonly unknown[],
  output: Tensor,
  nondet_tol = 0,
  grad_out = 1,
): [jacobians: Tensor[], reentrant: boolean, sizesAgree: boolean, dtypesAgree: boolean] {
  checkOldArguments("get_analytical_jacobian", grad_out);
  const tensors = checkedInputs(asList(inputs)).map(({ tensor }) => tensor);
  const pullback = pullbackOf(output, tensors);
  const once = (): Stacked => stack(rowsOfJacobian(pullback, output, tensors.length), tensors, output.numel());
  const first = once();
  const reentrant = repeats(first.jacobians, once().jacobians, nondet_tol);
  return [first.jacobians, reentrant, first.sizesAgree, first.dtypesAgree];
}
