/** Derivatives by forward mode. */
import { dual_level, make_dual, unpack_dual } from "../../autograd/forward-ad.ts";
import { withGradMode } from "../../autograd/mode.ts";
import { Generator } from "../../random/generator.ts";
import type { Tensor } from "../../tensor.ts";
import { GradcheckError } from "./errors.ts";
import {
  checkedInputs,
  elementIndices,
  elementView,
  isDifferentiableDType,
  type ListFunction,
  randomDirection,
} from "./inputs.ts";
import type { Problem } from "./modes.ts";

const zerosLike = (t: Tensor): Tensor => t.detach().new_zeros(t.sizes);

/** Inputs with tangents of zeros, which may be overwritten, in place of those with a gradient. */
interface Duals {
  readonly inputs: unknown[];
  readonly tangents: Tensor[];
}

function dualInputs(inputs: readonly unknown[]): Duals {
  const all = [...inputs];
  const tangents = checkedInputs(inputs).map(({ index, tensor }) => {
    const dual = make_dual(tensor.detach(), zerosLike(tensor));
    all[index] = dual;
    // What make_dual was given need not be what it keeps.
    return unpack_dual(dual).tangent as Tensor;
  });
  return { inputs: all, tangents };
}

/** The tangents of the floating-point results; null stands for zeros. */
function tangentsOf(results: readonly Tensor[]): { primal: Tensor; tangent: Tensor | null }[] {
  return results
    .filter((r) => isDifferentiableDType(r.dtype))
    .map((r) => {
      const { primal, tangent } = unpack_dual(r);
      return { primal, tangent };
    });
}

const overwrite = (place: Tensor, value: Tensor | number): unknown =>
  withGradMode(false, () => (typeof value === "number" ? place.fill_(value) : place.copy_(value)));

const flatCopy = ({ primal, tangent }: { primal: Tensor; tangent: Tensor | null }): Tensor =>
  tangent === null ? primal.detach().new_zeros([primal.numel()]) : tangent.detach().reshape([-1]).clone();

/** The Jacobians of all floating-point outputs (inner list) for each input with a gradient. */
export function forwardJacobians(fn: ListFunction, inputs: readonly unknown[]): Tensor[][] {
  return dual_level(() => {
    const duals = dualInputs(inputs);
    return duals.tangents.map((tangent) => {
      const rows: Tensor[][] = [];
      for (const index of elementIndices(tangent.sizes)) {
        const element = withGradMode(false, () => elementView(tangent, index));
        overwrite(element, 1);
        tangentsOf(fn(duals.inputs)).forEach((result, k) => {
          rows[k] ??= [];
          rows[k].push(flatCopy(result));
        });
        overwrite(element, 0);
      }
      if (tangent.numel() === 0) {
        return tangentsOf(fn(duals.inputs)).map(({ primal }) => primal.detach().new_zeros([0, primal.numel()]));
      }
      return rows.map((list) => stackRows(list));
    });
  });
}

function stackRows(rows: readonly Tensor[]): Tensor {
  const matrix = rows[0].new_zeros([rows.length, rows[0].numel()]);
  for (const [i, row] of rows.entries()) matrix.select(0, i).copy_(row);
  return matrix;
}

/** `J · u` of all floating-point outputs (inner list) for each input with a gradient. */
export function forwardDerivatives(fn: ListFunction, inputs: readonly unknown[], us: readonly Tensor[]): Tensor[][] {
  return dual_level(() => {
    const duals = dualInputs(inputs);
    return duals.tangents.map((tangent, i) => {
      overwrite(tangent, us[i].reshape([...tangent.sizes]));
      const results = tangentsOf(fn(duals.inputs)).map(flatCopy);
      overwrite(tangent, 0);
      return results;
    });
  });
}

/** Checks that a tensor without tangent and one with a tangent of zeros give the same, whatever the others have. */
export function checkUndefinedTangents({ fn, inputs }: Problem): void {
  const generator = new Generator();
  const us = checkedInputs(inputs).map(({ tensor }) => randomDirection(tensor, generator));
  dual_level(() => {
    const duals = dualInputs(inputs);
    for (const [i, tangent] of duals.tangents.entries()) overwrite(tangent, us[i].reshape([...tangent.sizes]));
    for (const { index, tensor } of checkedInputs(inputs)) {
      const dual = duals.inputs[index];
      duals.inputs[index] = make_dual(tensor.detach(), zerosLike(tensor));
      const zeros = tangentsOf(fn(duals.inputs));
      duals.inputs[index] = tensor.detach();
      const undefineds = tangentsOf(fn(duals.inputs));
      duals.inputs[index] = dual;
      for (const [k, { tangent: first }] of zeros.entries()) {
        const second = undefineds[k].tangent;
        if (first === null || second === null || first.allclose(second)) continue;
        // PyTorch throws its texts and values as the parts of a tuple.
        throw new GradcheckError(
          `('Mismatch in tangent values for output with index: ', ${k}, ' when input: ', ${String(tensor)}, ' has an undefined tangent value. ', ' Got: ', ${String(first)}, ' but expected: ', ${String(second)})`,
        );
      }
    }
  });
}
