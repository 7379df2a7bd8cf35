/**
 * `torch.autograd.functional`: products with Jacobians and Hessians of functions, on top of backward.
 * https://pytorch.org/docs/stable/autograd.html#functional-higher-level-api
 */
import { grad } from "../autograd/backward.ts";
import { withGradMode } from "../autograd/mode.ts";
import { AssertionError, NotImplementedError, RuntimeError } from "../errors.ts";
import { zeros_like } from "../ops/creation.ts";
import { stack } from "../ops/joining.ts";
import { sameShape, shapeText } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { batchedGrad } from "./batched-grad.ts";
import { forwardJacobian } from "./functional-forward.ts";
import { bindOptions, list, type Pair, type Tensors, tensors, unnested } from "./functional-tensors.ts";
import { grad as gradientOf } from "./grad.ts";
import { standardBasis } from "./standard-basis.ts";

/** A function of one tensor or of several. */
export type FunctionOf<O> = (...inputs: Tensor[]) => O;
/** One tensor for each output and each input; a level of nesting is left out where there is no tuple. */
export type JacobianOf<O extends Tensors, I extends Tensors> = O extends Tensor ? I : { [K in keyof O]: I };
export type HessianOf<I extends Tensors> = I extends Tensor ? Tensor : { [K in keyof I]: I };

export interface ProductOptions {
  /** The vector of the product; may be left out for a single element, where it is 1. */
  readonly v?: Tensors | null;
  /** Make the result differentiable. Default false. */
  readonly create_graph?: boolean;
  /** Throw where an output does not depend on an input, rather than give zeros. Default false. */
  readonly strict?: boolean;
}

export interface JacobianOptions {
  /** Make the result differentiable. Default false. */
  readonly create_graph?: boolean;
  /** Throw where an output does not depend on an input, rather than give zeros. Default false. */
  readonly strict?: boolean;
  /** Compute all rows in one pass, with vmap. Default false. */
  readonly vectorize?: boolean;
  /** Forward mode needs `vectorize`, and is the better one where there are more outputs than inputs. */
  readonly strategy?: "reverse-mode" | "forward-mode";
}

export interface HessianOptions extends Omit<JacobianOptions, "strategy"> {
  /** How the outer of the two Jacobians is computed; forward mode needs `vectorize`. */
  readonly outer_jacobian_strategy?: "reverse-mode" | "forward-mode";
}

const PRODUCT_NAMES = ["v", "create_graph", "strict"];

/**
 * New tensors for the function to work on, so that an input is not mistaken for the same tensor used by the function in
 * another way.
 */
function prepared(inputs: readonly Tensor[], createGraph: boolean, needGraph: boolean): Tensor[] {
  return withGradMode(true, () =>
    inputs.map((t) => (createGraph && t.requires_grad ? t.view_as(t) : t.detach().requires_grad_(needGraph))),
  );
}

/** Results without history, unless it was asked for. */
function finished(results: readonly Tensor[], createGraph: boolean): Tensor[] {
  return createGraph ? [...results] : results.map((t) => t.detach());
}

function checkVector(v: readonly Tensor[], other: readonly Tensor[], several: boolean): void {
  if (other.length !== v.length) {
    throw new RuntimeError(
      several
        ? `v is a tuple of invalid length: should be ${other.length} but got ${v.length}.`
        : "The given v should contain a single Tensor.",
    );
  }
  v.forEach((t, i) => {
    if (sameShape(t.sizes, other[i].sizes)) return;
    throw new RuntimeError(
      `${several ? `Entry ${i} in ` : ""}v has invalid size: should be torch.Size(${shapeText(other[i].sizes)}) but got torch.Size(${shapeText(t.sizes)}).`,
    );
  });
}

type Checked = "outputs" | "grad_inputs" | "jacobian" | "hessian";

const NOT_DEPENDENT: Record<Checked, (i: number) => string> = {
  outputs: (i) =>
    `Output ${i} of the user-provided function does not require gradients. The outputs must be computed in a differentiable manner from the input when running in strict mode.`,
  grad_inputs: (i) =>
    `The gradient with respect to input ${i} is independent of the inputs of the user-provided function. This is not allowed in strict mode.`,
  jacobian: (i) =>
    `While computing the hessian, found that the jacobian of the user-provided function with respect to input ${i} is independent of the input. This is not allowed in strict mode. You should ensure that your function is twice differentiable and that the jacobian depends on the inputs (this would be violated by a linear function for example).`,
  hessian: (i) =>
    `The hessian of the user-provided function with respect to input ${i} is independent of the input. This is not allowed in strict mode. You should ensure that your function is thrice differentiable and that the hessian depends on the inputs.`,
};

/** In strict mode, refuses what has no history. */
function checkRequiresGrad(list: readonly (Tensor | null)[], kind: Checked, strict: boolean): void {
  if (!strict) return;
  list.forEach((t, i) => {
    if (t === null) {
      throw new RuntimeError(
        `The output of the user-provided function is independent of input ${i}. This is not allowed in strict mode.`,
      );
    }
    if (!t.requires_grad) throw new RuntimeError(NOT_DEPENDENT[kind](i));
  });
}

interface PassOptions {
  readonly createGraph: boolean;
  readonly retainGraph?: boolean;
}

/** Gradients of those outputs that have a history; null for inputs that these do not depend on. */
function pass(
  outputs: readonly (Tensor | null)[],
  inputs: readonly Tensor[],
  weights: readonly Tensor[] | null,
  options: PassOptions,
): (Tensor | null)[] {
  const used: Tensor[] = [];
  const grads: (Tensor | null)[] = [];
  outputs.forEach((t, i) => {
    if (!t?.requires_grad) return;
    used.push(t);
    grads.push(weights === null ? null : weights[i]);
  });
  if (used.length === 0) return inputs.map(() => null);
  return grad(used, inputs, {
    grad_outputs: grads,
    allow_unused: true,
    create_graph: options.createGraph,
    retain_graph: options.retainGraph,
  });
}

type Stage = "back" | "back_trick" | "double_back" | "double_back_trick";

const MISSING: Record<Stage, (i: number) => string> = {
  back: (i) =>
    `The output of the user-provided function is independent of input ${i}. This is not allowed in strict mode.`,
  back_trick: (i) =>
    `The gradient with respect to the input is independent of entry ${i} in the grad_outputs when using the double backward trick to compute forward mode gradients. This is not allowed in strict mode.`,
  double_back: (i) =>
    `The jacobian of the user-provided function is independent of input ${i}. This is not allowed in strict mode.`,
  double_back_trick: (i) =>
    `The hessian of the user-provided function is independent of entry ${i} in the grad_jacobian. This is not allowed in strict mode as it prevents from using the double backward trick to replace forward mode AD.`,
};

/** Zeros where there is no gradient, which in strict mode is an error. */
function withZeros(
  grads: readonly (Tensor | null)[],
  like: readonly Tensor[],
  stage: Stage,
  strict: boolean,
  createGraph: boolean,
): Tensor[] {
  return grads.map((g, i) => {
    if (g === null) {
      if (strict) throw new RuntimeError(MISSING[stage](i));
      return zeros_like(like[i]);
    }
    if (strict && createGraph && !g.requires_grad) {
      const what = stage.startsWith("double") ? "hessian" : "jacobian";
      throw new RuntimeError(
        `The ${what} of the user-provided function is independent of input ${i}. This is not allowed in strict mode when create_graph=True.`,
      );
    }
    return g;
  });
}

const OUTPUTS = "outputs of the user-provided function";

/** The vector for inputs; null where it may be left out. */
function inputVector(name: "jvp" | "vhp" | "hvp", given: unknown, inputs: Pair, createGraph: boolean): Tensor[] | null {
  if (given !== undefined && given !== null) {
    const v = prepared(list(given, "v", name).tensors, createGraph, false);
    checkVector(v, inputs.tensors, inputs.several);
    return v;
  }
  if (inputs.tensors.length !== 1 || inputs.tensors[0].count !== 1) {
    throw new RuntimeError(
      `The vector v can only be None if the input to the user-provided function is a single Tensor with a single element.`,
    );
  }
  return null;
}

/**
 * The outputs of `func`, and the product of `v`, which has their shape, with its Jacobian: one tensor for each input.
 * Arguments: `func`, `inputs`, `v`, `create_graph`, `strict`.
 */
export function vjp<O extends Tensors, I extends Tensors>(
  func: FunctionOf<O>,
  inputs: I,
  ...rest: (ProductOptions | Tensors | boolean | null | undefined)[]
): [O, I] {
  const { v: given, create_graph: createGraph, strict } = bindOptions("vjp", PRODUCT_NAMES, rest);
  const several = list(inputs, "inputs", "vjp");
  const xs = prepared(several.tensors, createGraph, true);
  const outputs = withGradMode(true, () => list(func(...xs), OUTPUTS, "vjp"));
  checkRequiresGrad(outputs.tensors, "outputs", strict);
  let v: Tensor[] | null = null;
  if (given !== undefined && given !== null) {
    v = prepared(list(given, "v", "vjp").tensors, createGraph, false);
    checkVector(v, outputs.tensors, outputs.several);
  } else if (outputs.tensors.length !== 1 || outputs.tensors[0].count !== 1) {
    throw new RuntimeError(
      "The vector v can only be None if the user-provided function returns a single Tensor with a single element.",
    );
  }
  const product = withZeros(pass(outputs.tensors, xs, v, { createGraph }), xs, "back", strict, createGraph);
  return [
    tensors(finished(outputs.tensors, createGraph), outputs.several) as O,
    tensors(finished(product, createGraph), several.several) as I,
  ];
}

/**
 * The outputs of `func`, and the product of its Jacobian with `v`, which has the shape of `inputs`: one tensor for each
 * output. Computed with backward of backward: the product is the derivative of the vjp in its vector.
 * Arguments: `func`, `inputs`, `v`, `create_graph`, `strict`.
 */
export function jvp<O extends Tensors, I extends Tensors>(
  func: FunctionOf<O>,
  inputs: I,
  ...rest: (ProductOptions | Tensors | boolean | null | undefined)[]
): [O, O] {
  const { v: given, create_graph: createGraph, strict } = bindOptions("jvp", PRODUCT_NAMES, rest);
  const several = list(inputs, "inputs", "jvp");
  const xs = prepared(several.tensors, createGraph, true);
  const v = inputVector("jvp", given, { ...several, tensors: xs }, createGraph);
  const outputs = withGradMode(true, () => list(func(...xs), OUTPUTS, "jvp"));
  checkRequiresGrad(outputs.tensors, "outputs", strict);
  // The vjp is linear in these, so their values do not matter as long as they are finite.
  const weights = outputs.tensors.map((t) => zeros_like(t).requires_grad_());
  const grads = pass(outputs.tensors, xs, weights, { createGraph: true });
  checkRequiresGrad(grads, "grad_inputs", strict);
  const product = pass(grads, weights, v, { createGraph });
  const filled = withZeros(product, outputs.tensors, "back_trick", strict, createGraph);
  return [
    tensors(finished(outputs.tensors, createGraph), outputs.several) as O,
    tensors(finished(filled, createGraph), outputs.several) as O,
  ];
}

/**
 * The Jacobian of `func` at `inputs`: of shape (*output, *input), one for each output and each input.
 * Arguments: `func`, `inputs`, `create_graph`, `strict`, `vectorize`, `strategy`.
 */
export function jacobian<O extends Tensors, I extends Tensors>(
  func: FunctionOf<O>,
  inputs: I,
  ...rest: (JacobianOptions | boolean | string)[]
): JacobianOf<O, I> {
  const names = ["create_graph", "strict", "vectorize", "strategy"];
  const { create_graph: createGraph, strict, vectorize, strategy } = bindOptions("jacobian", names, rest);
  if (strategy !== "forward-mode" && strategy !== "reverse-mode") {
    throw new AssertionError(
      'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".',
    );
  }
  if (strategy === "forward-mode") {
    if (createGraph) {
      throw new NotImplementedError(
        'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not supported together (yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.',
      );
    }
    return forwardJacobian(func, inputs, strict, vectorize) as JacobianOf<O, I>;
  }
  const several = list(inputs, "inputs", "jacobian");
  const xs = prepared(several.tensors, createGraph, true);
  return withGradMode(true, () => {
    const outputs = list(func(...xs), OUTPUTS, "jacobian");
    checkRequiresGrad(outputs.tensors, "outputs", strict);
    if (vectorize && strict) {
      throw new RuntimeError(
        "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please either set `strict=False` or `vectorize=False`.",
      );
    }
    const rows = vectorize
      ? allRows(outputs.tensors, xs, createGraph)
      : outputs.tensors.map((_, i) => rowByRow(outputs.tensors, i, xs, createGraph, strict));
    const parts = rows.map((row) => finished(row, createGraph));
    return unnested(parts, outputs.several, several.several) as JacobianOf<O, I>;
  });
}

/** The Jacobian of output `i`, one backward pass for each of its elements. */
function rowByRow(
  outputs: readonly Tensor[],
  i: number,
  xs: readonly Tensor[],
  createGraph: boolean,
  strict: boolean,
): Tensor[] {
  const out = outputs[i];
  const rows: Tensor[][] = xs.map(() => []);
  const flat = out.reshape(-1);
  for (let j = 0; j < out.count; j++) {
    pass([flat.select(0, j)], xs, null, { createGraph, retainGraph: true }).forEach((g, k) => {
      if (g === null) {
        if (strict) {
          throw new RuntimeError(
            `Output ${i} of the user-provided function is independent of input ${k}. This is not allowed in strict mode.`,
          );
        }
        rows[k].push(zeros_like(xs[k]));
        return;
      }
      if (strict && createGraph && !g.requires_grad) {
        throw new RuntimeError(
          `The jacobian of the user-provided function is independent of input ${i}. This is not allowed in strict mode when create_graph=True.`,
        );
      }
      rows[k].push(g);
    });
  }
  return rows.map((list, k) => stack(list, 0).view([...out.sizes, ...xs[k].sizes]));
}

/** The same for all outputs in one pass: vmap over a standard basis of the outputs together. */
function allRows(outputs: readonly Tensor[], xs: readonly Tensor[], createGraph: boolean): Tensor[][] {
  const counts = outputs.map((t) => t.count);
  const total = counts.reduce((a, b) => a + b, 0);
  const basis = standardBasis(outputs);
  const used = outputs.map((t, i) => [t.reshape(-1), basis[i]] as const).filter(([t]) => t.requires_grad);
  const grads =
    used.length === 0
      ? xs.map(() => null)
      : batchedGrad(
          used.map(([t]) => t),
          xs,
          used.map(([, g]) => g),
          { createGraph, retainGraph: createGraph },
        );
  const parts = grads.map((g, k) => {
    const x = xs[k];
    const whole = g ?? zeros_like(x).expand([total, ...x.sizes]);
    return whole.split(counts, 0).map((part, i) => part.reshape([...outputs[i].sizes, ...x.sizes]));
  });
  return outputs.map((_, i) => parts.map((part) => part[i]));
}

/**
 * The Hessian of `func`, which gives a single element: of shape (*input, *input), for each pair of inputs.
 * Arguments: `func`, `inputs`, `create_graph`, `strict`, `vectorize`, `outer_jacobian_strategy`.
 */
export function hessian<I extends Tensors>(
  func: FunctionOf<Tensor>,
  inputs: I,
  ...rest: (HessianOptions | boolean | string)[]
): HessianOf<I> {
  const names = ["create_graph", "strict", "vectorize", "outer_jacobian_strategy"];
  const options = bindOptions("hessian", names, rest);
  const { create_graph, strict, vectorize, outer_jacobian_strategy: strategy } = options;
  const { several, tensors: xs } = list(inputs, "inputs", "hessian");
  if (strategy !== "forward-mode" && strategy !== "reverse-mode") {
    throw new AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".');
  }
  const single = (...all: Tensor[]): Tensor => {
    const out: unknown = func(...all);
    const outputs = list(out, OUTPUTS, "hessian");
    checkRequiresGrad(outputs.tensors, "outputs", strict);
    return singleElement(out, outputs, "hessian").squeeze();
  };
  const inner = (...all: Tensor[]): Tensor[] => {
    // Forward over reverse: the inner derivative is one of torch.func, which forward mode goes through.
    if (strategy === "forward-mode" && vectorize && !strict && !create_graph) {
      return gradientOf(single, { argnums: all.map((_, i) => i) })(...all) as Tensor[];
    }
    const rows = jacobian(single, all, { create_graph: true });
    checkRequiresGrad(rows, "jacobian", strict);
    return rows;
  };
  const result = jacobian(inner, xs, { create_graph, strict, vectorize, strategy });
  return unnested(result as unknown as Tensor[][], several, several) as HessianOf<I>;
}

function singleElement(out: unknown, outputs: Pair, name: string): Tensor {
  if (outputs.several || !is_tensor(out)) {
    throw new RuntimeError(`The function given to ${name} should return a single Tensor`);
  }
  if (out.count !== 1) {
    throw new RuntimeError(`The Tensor returned by the function given to ${name} should contain a single element`);
  }
  return out;
}

/** What `vhp` and `hvp` share: the output, its gradient with a history, and the vector. */
function firstDerivative(
  name: "vhp" | "hvp",
  func: FunctionOf<Tensor>,
  inputs: unknown,
  given: unknown,
  createGraph: boolean,
  strict: boolean,
) {
  const several = list(inputs, "inputs", name);
  const xs = prepared(several.tensors, createGraph, true);
  const v = inputVector(name, given, { ...several, tensors: xs }, createGraph);
  const out: unknown = withGradMode(true, () => func(...xs));
  const outputs = list(out, OUTPUTS, name);
  checkRequiresGrad(outputs.tensors, "outputs", strict);
  singleElement(out, outputs, name);
  const gradient = pass(outputs.tensors, xs, null, { createGraph: true });
  checkRequiresGrad(gradient, "jacobian", strict);
  return { xs, v, gradient, output: outputs.tensors[0], several: several.several };
}

/**
 * The output of `func`, a single element, and the product of `v` with its Hessian, one tensor for each input.
 * Arguments: `func`, `inputs`, `v`, `create_graph`, `strict`.
 */
export function vhp<I extends Tensors>(
  func: FunctionOf<Tensor>,
  inputs: I,
  ...rest: (ProductOptions | Tensors | boolean | null | undefined)[]
): [Tensor, I] {
  const { v: given, create_graph: createGraph, strict } = bindOptions("vhp", PRODUCT_NAMES, rest);
  const { xs, v, gradient, output, several } = firstDerivative("vhp", func, inputs, given, createGraph, strict);
  const product = pass(gradient, xs, v, { createGraph });
  const filled = withZeros(product, xs, "double_back", strict, createGraph);
  return [finished([output], createGraph)[0], tensors(finished(filled, createGraph), several) as I];
}

/**
 * The output of `func`, a single element, and the product of its Hessian with `v`. The same numbers as `vhp` for a
 * Hessian that is symmetric, at a higher price: backward of the backward of backward.
 * Arguments: `func`, `inputs`, `v`, `create_graph`, `strict`.
 */
export function hvp<I extends Tensors>(
  func: FunctionOf<Tensor>,
  inputs: I,
  ...rest: (ProductOptions | Tensors | boolean | null | undefined)[]
): [Tensor, I] {
  const { v: given, create_graph: createGraph, strict } = bindOptions("hvp", PRODUCT_NAMES, rest);
  const { xs, v, gradient, output, several } = firstDerivative("hvp", func, inputs, given, createGraph, strict);
  const weights = xs.map((t) => zeros_like(t).requires_grad_());
  const twice = pass(gradient, xs, weights, { createGraph: true });
  checkRequiresGrad(gradient, "hessian", strict);
  const product = pass(twice, weights, v, { createGraph });
  const filled = withZeros(product, xs, "double_back_trick", strict, createGraph);
  return [finished([output], createGraph)[0], tensors(finished(filled, createGraph), several) as I];
}
