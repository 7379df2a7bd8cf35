/** Forward mode through a custom function: its `jvp`, and what that must return. */
import { RuntimeError } from "../errors.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { type DualLevel, tangentsMayExist, withForwardMode } from "./dual-level.ts";
import type { FunctionNode } from "./function-node.ts";
import { levelOf, overwriteTangent, setTangent, tangentOf } from "./tangents.ts";

/** What the call says of its tensors. */
export interface Marks {
  readonly dirty: ReadonlySet<unknown>;
  readonly nonDifferentiable: ReadonlySet<unknown>;
}

/**
 * Gives the outputs of a custom function their tangents, if an input has one. `raw` is what `forward` has returned,
 * `outputs` what the caller gets.
 */
export function propagateThroughFunction(
  node: FunctionNode,
  inputs: readonly Tensor[],
  raw: readonly unknown[],
  outputs: readonly unknown[],
  marks: Marks,
): void {
  if (!tangentsMayExist()) return;
  const level = levelOf(inputs);
  if (level === null) return;
  const before = inputs.map(tangentOf);
  const versions = before.map((t) => t?.version.value ?? 0);
  const results = withForwardMode(false, () => node.applyJvp(inputs, before));
  if (results.length !== outputs.length) {
    throw new RuntimeError(
      `Function's jvp returned an invalid number of forward gradients (expected ${outputs.length} but got ${results.length})`,
    );
  }
  for (let i = 0; i < outputs.length; i++) {
    const from = raw[i];
    const output = outputs[i];
    const tangent = results[i];
    if (!is_tensor(from) || !is_tensor(output)) continue;
    if (marks.nonDifferentiable.has(from) || !from.dtype.is_floating_point) {
      if (tangent !== null) {
        throw new RuntimeError(
          `Function's jvp returned a gradient at position ${i}, but  the corresponding forward output is not a differentiable Tensor.You should return None at that position instead.`,
        );
      }
    } else if (marks.dirty.has(from)) {
      const input = inputs.indexOf(from);
      if (input < 0) {
        throw new RuntimeError(
          "Only input Tensors should be given to ctx.mark_dirty(). If a Tensor is not an input, there is no need to pass it to mark_dirty().",
        );
      }
      overwritten(output, tangent, before[input], versions[input], level);
    } else if (tangent !== null) fresh(output, tangent, inputs, before, level);
  }
}

/** The tangent of an input that was changed in place has to be changed in place too. */
function overwritten(
  output: Tensor,
  tangent: Tensor | null,
  before: Tensor | null,
  version: number,
  level: DualLevel,
): void {
  if (before === null) {
    if (tangent !== null) overwriteTangent(output, tangent, level);
    return;
  }
  if (tangent === null || tangent.version.value === version) {
    throw new RuntimeError(
      "An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is modifying an input inplace, then the jvp function must modify the corresponding gradient inplace.",
    );
  }
  if (tangent !== before) {
    throw new RuntimeError(
      "An inplace custom Function is not returning the forward mode gradients as-is. If the forward is modifying an input inplace, then the jvp function must modify the gradient inplace and return it as-is.",
    );
  }
}

/** The tangent of a view of an input has to be a view of the input's tangent. */
function fresh(
  output: Tensor,
  tangent: Tensor,
  inputs: readonly Tensor[],
  tangents: readonly (Tensor | null)[],
  level: DualLevel,
): void {
  const source = output.viewInfo === null ? -1 : inputs.findIndex((t) => baseOf(t) === output.viewInfo?.base);
  if (source >= 0) {
    const expected = tangents[source];
    if (expected === null) {
      // The input that shares its memory has got a tangent by this.
      overwriteTangent(output, tangent, level);
      return;
    }
    if (tangent.viewInfo === null) {
      throw new RuntimeError(
        "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a view.",
      );
    }
    if (tangent.viewInfo.base !== baseOf(expected)) {
      throw new RuntimeError(
        expected.viewInfo !== null
          ? "A custom Function is returning a view but the jvp is not returning a view of the same base as the given grad input."
          : "A custom Function is returning a view but the jvp is not returning a view of the given grad input.",
      );
    }
  }
  setTangent(output, tangent, level);
}

function baseOf(tensor: Tensor): Tensor {
  return tensor.viewInfo?.base ?? tensor;
}
