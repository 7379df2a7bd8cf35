/** What must hold of a backward besides its values: it is linear, and takes gradients that are not there for zeros. */

import { grad } from "../../autograd/backward.ts";
import { is_grad_enabled, withGradMode } from "../../autograd/mode.ts";
import { type Gradients, Node } from "../../autograd/node.ts";
import { gradientEdge, setHistory } from "../../autograd/record.ts";
import { sameShape } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import { GradcheckError, isRuntimeError } from "./errors.ts";
import { differentiableOutputs, warnOnce } from "./inputs.ts";
import type { Problem } from "./modes.ts";

const zerosFor = (t: Tensor): Tensor => t.detach().new_zeros(t.sizes);

const hasNonzero = (t: Tensor): boolean => t.ne(0).any().item() === true;

/** Checks that zero gradients of the outputs give zero gradients of the inputs, of their type and size. */
export function checkZeroGradients(outputs: readonly Tensor[], inputs: readonly Tensor[]): void {
  if (outputs.length === 0) return;
  const gradients = grad(outputs, inputs, { grad_outputs: outputs.map(zerosFor), allow_unused: true });
  for (const [i, g] of gradients.entries()) {
    if (g === null) continue;
    if (hasNonzero(g)) throw new GradcheckError("backward not multiplied by grad_output");
    if (g.dtype !== inputs[i].dtype) throw new GradcheckError("grad is incorrect type");
    if (!sameShape(g.sizes, inputs[i].sizes)) throw new GradcheckError("grad is incorrect size");
  }
}

/** Gives no gradient to its input, whatever comes. */
class UndefinedGradient extends Node {
  readonly outputCount = 1;
  constructor(input: Tensor) {
    const edge = gradientEdge(input);
    super([edge?.node ?? null], [edge?.output ?? 0]);
  }
  override name(): string {
    return "UndefinedGradBackward";
  }
  override apply(): Gradients {
    return [null];
  }
}

/** A copy of `t` through which no gradient passes, though `t` has a history. */
function withUndefinedGradient(t: Tensor): Tensor {
  const copy = withGradMode(false, () => t.detach().clone());
  if (is_grad_enabled()) setHistory(copy, new UndefinedGradient(t), 0);
  return copy;
}

const HINT = 'Please look at "Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"';

function checkWith(outputs: readonly Tensor[], inputs: readonly Tensor[]): void {
  const warn = (): void =>
    warnOnce(
      'Backwards compatibility: New undefined gradient support checking feature is enabled by default, but it may break existing callers of this function. If this is true for you, you can call this function with "check_undefined_grad=False" to disable the feature',
    );
  let gradients: (Tensor | null)[];
  try {
    gradients = grad(outputs, inputs, { grad_outputs: outputs.map(zerosFor), allow_unused: true });
  } catch (cause) {
    if (!isRuntimeError(cause)) throw cause;
    warn();
    throw Object.assign(new GradcheckError(`Expected backward function to handle undefined output grads. ${HINT}`), {
      cause,
    });
  }
  for (const g of gradients) {
    if (g === null || !hasNonzero(g)) continue;
    warn();
    throw new GradcheckError(
      `Expected all input grads to be undefined or zero when all output grads are undefined or zero. ${HINT}`,
    );
  }
}

/** Checks that backward takes gradients that are not there for zeros: those of all outputs, and of each by itself. */
export function checkUndefinedGradients({ fn, inputs, outputs }: Problem, tensors: readonly Tensor[]): void {
  const differentiable = (): Tensor[] => differentiableOutputs(fn(inputs));
  const all = differentiable();
  if (all.length === 0) return;
  checkWith(all.map(withUndefinedGradient), tensors);
  if (all.length < 2) return;
  for (const position of differentiableOutputs(outputs).keys()) {
    checkWith(
      differentiable().map((o, k) => (k === position ? withUndefinedGradient(o) : o)),
      tensors,
    );
  }
}
