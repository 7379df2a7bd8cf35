/** What gradcheck is given: a function, its inputs, and the outputs that it has for them. */
import { type DType, get_default_dtype, promote_types } from "../../dtype.ts";
import { RuntimeError, ValueError } from "../../errors.ts";
import type { Generator } from "../../random/generator.ts";
import { describe } from "../../shape.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";

/** A function of tensors, and of anything else, with one or several tensors as result. */
export type CheckedFunction = (...inputs: never[]) => Tensor | readonly Tensor[];

/** The same with its inputs as a list of unknown kind, and its results always in a list. */
export type ListFunction = (inputs: readonly unknown[]) => Tensor[];

/** Inputs or results as a list. */
export function asList(x: unknown): readonly unknown[] {
  return Array.isArray(x) ? x : [x];
}

/** `fn` as the checks call it; a result that is not a tensor is an error. */
export function listFunction(fn: CheckedFunction): ListFunction {
  return (inputs) => {
    const out = asList((fn as (...all: readonly unknown[]) => unknown)(...inputs));
    const wrong = out.findIndex((t) => !is_tensor(t));
    if (wrong >= 0) {
      throw new TypeError(
        `gradcheck expects a function that returns a Tensor or a list of Tensors, but output ${wrong} is of type ${describe(out[wrong])}`,
      );
    }
    return out as Tensor[];
  };
}

/** An input with a gradient, and its number among the inputs. */
export interface CheckedInput {
  readonly index: number;
  readonly tensor: Tensor;
}

/** The inputs that require a gradient. */
export function checkedInputs(inputs: readonly unknown[]): CheckedInput[] {
  return inputs.flatMap((tensor, index) => (is_tensor(tensor) && tensor.requires_grad ? [{ index, tensor }] : []));
}

/** The outputs that require a gradient: those with an analytical Jacobian. */
export function differentiableOutputs(outputs: readonly Tensor[]): Tensor[] {
  return outputs.filter((o) => o.requires_grad);
}

/** Whether a tensor can have a Jacobian: a floating-point one, as there are no complex numbers yet. */
export function isDifferentiableDType(dtype: DType): boolean {
  return dtype.is_floating_point;
}

const warned = new Set<string>();

/** Python's default: the same words from the same place are said once. */
export function warnOnce(text: string, category = "UserWarning"): void {
  if (warned.has(text)) return;
  warned.add(text);
  console.warn(`${category}: ${text}`);
}

/** Refuses inputs that cannot be checked, and warns about those whose rounding errors are as large as the differences. */
export function checkInputs(inputs: readonly unknown[]): void {
  const checked = checkedInputs(inputs);
  for (const { index, tensor } of checked) {
    if (tensor.dtype.name !== "float64") {
      warnOnce(
        `Input #${index} requires gradient and is not a double precision floating point or complex. This check will likely fail if all the inputs are not of double precision floating point or complex. `,
      );
    }
    if (tensor.sizes.some((size, d) => size > 1 && tensor.strides[d] === 0)) {
      throw new RuntimeError(
        `The ${index}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to be able to compute the numerical gradients correctly. You should call .contiguous on the input before passing it to gradcheck.`,
      );
    }
  }
  if (checked.length === 0) {
    throw new ValueError(
      "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True.",
    );
  }
}

/** The indices of all elements in row-major order. */
export function* elementIndices(sizes: readonly number[]): IterableIterator<number[]> {
  const index = sizes.map(() => 0);
  const count = sizes.reduce((a, b) => a * b, 1);
  for (let i = 0; i < count; i++) {
    yield [...index];
    for (let d = sizes.length - 1; d >= 0 && ++index[d] === sizes[d]; d--) index[d] = 0;
  }
}

/** A view of one element. */
export function elementView(t: Tensor, index: readonly number[]): Tensor {
  let offset = t.offset;
  for (let d = 0; d < index.length; d++) offset += index[d] * t.strides[d];
  return t.as_strided([], [], offset);
}

/** Whether `a` is as close to `b` as `allclose` asks, in the wider of their types. */
export function closeInWiderType(a: Tensor, b: Tensor, rtol: number, atol: number): boolean {
  if (a.dtype === b.dtype) return a.allclose(b, { rtol, atol });
  const wide = promote_types(a.dtype, b.dtype);
  return a.to(wide).allclose(b.to(wide), { rtol, atol });
}

/** A random vector of length 1 with as many elements as `t`. None is negative, so that terms do not cancel. */
export function randomDirection(t: Tensor, generator: Generator): Tensor {
  const samples = t.detach().new_empty([t.numel()], { dtype: get_default_dtype() }).uniform_({ generator });
  const vector = samples.to(t.dtype);
  return vector.div_(vector.norm());
}
