/** Derivatives by central differences. */

import { withGradMode } from "../../autograd/mode.ts";
import { AssertionError, NotImplementedError, ValueError } from "../../errors.ts";
import { namedArguments } from "../../keywords.ts";
import { pythonFloat, pythonRepr } from "../../print/index.ts";
import { sameShape, shapeText } from "../../shape.ts";
import type { Tensor } from "../../tensor.ts";
import {
  asList,
  type CheckedFunction,
  checkedInputs,
  elementIndices,
  elementView,
  isDifferentiableDType,
  type ListFunction,
  listFunction,
  warnOnce,
} from "./inputs.ts";

/** Refuses a function whose results change their shape or type with the values of its inputs. */
function checkSameKind(below: Tensor, above: Tensor, step: string): void {
  const what = (property: string): string =>
    `Expected \`func\` to return outputs with the same ${property} when inputs are perturbed ${step}, but got:`;
  if (!sameShape(below.sizes, above.sizes)) {
    throw new AssertionError(
      `${what("shape")} shapes torch.Size(${shapeText(below.sizes)}) and torch.Size(${shapeText(above.sizes)}).`,
    );
  }
  if (below.dtype !== above.dtype) {
    throw new AssertionError(`${what("dtype")} dtypes torch.${below.dtype.name} and torch.${above.dtype.name}.`);
  }
}

/**
 * The derivative of every output along `step`, a number or a tensor that is added to `place` (a part of an input): the
 * difference of the outputs at both ends, divided by `2 · length`. One flat tensor for each output.
 */
function centralDifference(
  run: () => Tensor[],
  place: Tensor,
  step: Tensor | number,
  length: number,
  stepText: string,
): Tensor[] {
  // The function runs as it was given, with recording on: it may itself take gradients. Copies of its results are
  // needed because they may share memory with the input.
  const copies = (): Tensor[] => run().map((t) => withGradMode(false, () => t.detach().clone()));
  const move = (to: Tensor): unknown => withGradMode(false, () => place.copy_(to));
  const before = place.clone();
  move(withGradMode(false, () => before.sub(step)));
  const below = copies();
  move(withGradMode(false, () => before.add(step)));
  const above = copies();
  move(before);
  return withGradMode(false, () =>
    below.map((low, i) => {
      checkSameKind(low, above[i], stepText);
      return above[i]
        .sub(low)
        .div(2 * length)
        .reshape([-1]);
    }),
  );
}

/** Python's text of a step, such as `1e-06`. */
const stepText = (eps: number): string => pythonRepr(pythonFloat(eps));

/** Python's text of an index, `(0, 1)` or `(0,)`. */
const tupleText = (index: readonly number[]): string => `(${index.join(", ")}${index.length === 1 ? "," : ""})`;

/**
 * The Jacobians of all floating-point outputs with respect to input number `position`, by changing one element at a time:
 * `jacobian[i][j]` is the derivative of output element j by input element i.
 */
export function numericalJacobians(
  fn: ListFunction,
  inputs: readonly unknown[],
  position: number,
  outputs: readonly Tensor[],
  eps: number,
  input: Tensor = inputs[position] as Tensor,
): Tensor[] {
  const differentiable = outputs.map((o) => isDifferentiableDType(o.dtype));
  const jacobians = outputs.map((o, k) =>
    differentiable[k] ? o.detach().new_zeros([input.numel(), o.numel()]) : null,
  );
  // `.data` has a version counter of its own, so that what was saved for backward stays usable.
  const values = input.data;
  let row = 0;
  for (const index of elementIndices(values.sizes)) {
    const text = `on index ${tupleText(index)} by ${stepText(eps)}`;
    const columns = centralDifference(() => fn(inputs), elementView(values, index), eps, eps, text);
    for (const [k, jacobian] of jacobians.entries()) jacobian?.select(0, row).copy_(columns[k]);
    row++;
  }
  return jacobians.filter((j) => j !== null);
}

/** The derivatives of all outputs along `direction`, a tensor of the elements of input number `position`. */
export function numericalDirectionalDerivatives(
  fn: ListFunction,
  inputs: readonly unknown[],
  position: number,
  direction: Tensor,
  eps: number,
): Tensor[] {
  const values = (inputs[position] as Tensor).data;
  const step = direction.reshape([...values.sizes]).mul(eps);
  return centralDifference(() => fn(inputs), values, step, eps, `by ${stepText(eps)}`);
}

function warnPrivate(name: string): void {
  warnOnce(
    `\`${name}\` was part of PyTorch's private API and not meant to be exposed. We are deprecating it and it will be removed in a future version of PyTorch. If you have a specific use for this or feature request for this to be a stable API, please file us an issue at https://github.com/pytorch/pytorch/issues/new`,
    "FutureWarning",
  );
}

/** Refuses `grad_out`, which old programs pass, other than 1. */
export function checkOldArguments(name: string, gradOut: unknown): void {
  warnPrivate(name);
  if (gradOut !== undefined && gradOut !== 1) {
    throw new ValueError(`Expected grad_out to be 1.0. ${name} no longer supports values of grad_out != 1.0.`);
  }
}

export interface NumericalJacobianOptions {
  /** The tensors to change; default: `inputs`. They need not be among the inputs. */
  readonly target?: Tensor | readonly unknown[] | null;
  /** Default 1e-3. */
  readonly eps?: number;
  /** Only 1. */
  readonly grad_out?: number;
}

/**
 * Jacobians of the first result of `fn`, which takes its inputs as one list, by finite differences: one for each input
 * that requires a gradient, of size [elements of the input, elements of the result]. Deprecated, as in PyTorch.
 */
export function get_numerical_jacobian(
  fn: (inputs: never) => Tensor | readonly Tensor[],
  inputs: Tensor | readonly unknown[],
  ...rest: (NumericalJacobianOptions["target"] | number | NumericalJacobianOptions)[]
): Tensor[] {
  const values = namedArguments("get_numerical_jacobian", ["target", "eps", "grad_out"], rest);
  checkOldArguments("get_numerical_jacobian", values.grad_out);
  const packed = listFunction((...all: never[]) => fn(all as never));
  const args = asList(inputs);
  const outputs = packed(args);
  const targets = values.target === undefined || values.target === null ? args : asList(values.target);
  const eps = (values.eps ?? 1e-3) as number;
  return checkedInputs(targets).map(
    ({ index, tensor }) => numericalJacobians(packed, args, index, outputs, eps, tensor)[0],
  );
}

/** Jacobians of all floating-point outputs of `fn` with respect to input number `input_idx`, by finite differences. */
export function get_numerical_jacobian_wrt_specific_input(
  fn: CheckedFunction,
  input_idx: number,
  inputs: readonly unknown[],
  outputs: readonly Tensor[],
  eps: number,
  options: { readonly input?: Tensor | null; readonly is_forward_ad?: boolean } = {},
): Tensor[] {
  const values = namedArguments("get_numerical_jacobian_wrt_specific_input", ["input", "is_forward_ad"], [options]);
  const input = (values.input ?? inputs[input_idx]) as Tensor;
  if (!input.requires_grad) throw new AssertionError("Expected input to have requires_grad=True");
  if (values.is_forward_ad === true && outputs.some((o) => o.is_complex())) {
    throw new NotImplementedError("complex outputs: there are no complex tensors yet");
  }
  return numericalJacobians(listFunction(fn), inputs, input_idx, outputs, eps, input);
}
