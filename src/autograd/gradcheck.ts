/** Checks gradients against finite differences: https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html */
import { RuntimeError, ValueError } from "../errors.ts";
import { checkKeywords } from "../keywords.ts";
import { describe } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { grad } from "./backward.ts";
import { withGradMode } from "./mode.ts";

/** What `gradcheck` throws where gradients and finite differences disagree. */
export class GradcheckError extends RuntimeError {
  override name = "GradcheckError";
}

export interface GradcheckOptions {
  /** Step of the finite differences. Default 1e-6, which needs float64. */
  readonly eps?: number;
  /** Default 1e-5. */
  readonly atol?: number;
  /** Default 1e-3. */
  readonly rtol?: number;
  /** Throw a `GradcheckError` with the difference rather than return false. Default true. */
  readonly raise_exception?: boolean;
  /** Accept gradients that do not repeat within this. Default 0. */
  readonly nondet_tol?: number;
}

const OPTIONS = ["eps", "atol", "rtol", "raise_exception", "nondet_tol"];

type Func = (...inputs: never[]) => Tensor | readonly Tensor[];

/** Rows: input elements; columns: output elements. */
type Jacobian = number[][];

function outputsOf(fn: Func, inputs: readonly unknown[]): Tensor[] {
  const out = (fn as (...all: unknown[]) => unknown)(...inputs);
  const list: readonly unknown[] = is_tensor(out) ? [out] : Array.isArray(out) ? out : [null];
  for (const t of list) {
    if (!is_tensor(t))
      throw new TypeError(`the function must return a Tensor or a list of Tensors, not ${describe(t)}`);
  }
  return (list as Tensor[]).filter((t) => t.is_floating_point());
}

function numbers(t: Tensor): number[] {
  return Array.from(t.detach().contiguous().typed_array() as Float64Array, Number);
}

function put(element: Tensor, value: number): void {
  element.copy_(element.new_full([], value));
}

/** A view of one element, by its number in row-major order. */
function elementView(t: Tensor, position: number): Tensor {
  let offset = t.offset;
  let rest = position;
  for (let d = t.sizes.length - 1; d >= 0; d--) {
    offset += (rest % t.sizes[d]) * t.strides[d];
    rest = Math.floor(rest / t.sizes[d]);
  }
  return t.as_strided([], [], offset);
}

/** Central differences of every output in every element of `input`: one Jacobian per output. */
function numericalJacobians(
  fn: Func,
  inputs: readonly unknown[],
  input: Tensor,
  outputs: number,
  eps: number,
): Jacobian[] {
  // `.data` has a version counter of its own, so that what was saved for backward stays usable.
  const values = input.data;
  const jacobians: Jacobian[] = Array.from({ length: outputs }, () => []);
  for (let i = 0; i < values.numel(); i++) {
    const element = elementView(values, i);
    const before = element.item() as number;
    put(element, before + eps);
    const above = outputsOf(fn, inputs).map(numbers);
    put(element, before - eps);
    const below = outputsOf(fn, inputs).map(numbers);
    put(element, before);
    for (const [k, jacobian] of jacobians.entries()) {
      jacobian.push(above[k].map((x, j) => (x - below[k][j]) / (2 * eps)));
    }
  }
  return jacobians;
}

/** The Jacobians of one output by backward, one for each input. */
function analyticalJacobians(output: Tensor, wanted: readonly Tensor[], tolerance: number): Jacobian[] {
  const jacobians: Jacobian[] = wanted.map((t) => Array.from({ length: t.numel() }, () => []));
  for (let j = 0; j < output.numel(); j++) {
    const seed = output.detach().new_zeros(output.sizes);
    put(elementView(seed, j), 1);
    const run = (): number[][] =>
      grad(output, wanted, { grad_outputs: seed, retain_graph: true, allow_unused: true }).map((g, i) =>
        g === null ? new Array<number>(wanted[i].numel()).fill(0) : numbers(g),
      );
    const rows = run();
    const again = run();
    for (const [i, row] of rows.entries()) {
      if (row.some((x, n) => Math.abs(x - again[i][n]) > tolerance)) {
        throw new GradcheckError(
          "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different values, although analytical gradient matches numerical gradient. The tolerance for nondeterminism was " +
            `${tolerance}.`,
        );
      }
      row.forEach((x, n) => {
        jacobians[i][n].push(x);
      });
    }
  }
  return jacobians;
}

function agree(numerical: Jacobian, analytical: Jacobian, atol: number, rtol: number): boolean {
  return analytical.every((row, n) =>
    row.every((got, j) => {
      const expected = numerical[n][j];
      return Object.is(got, expected) || Math.abs(expected - got) <= atol + rtol * Math.abs(expected);
    }),
  );
}

function compare(fn: Func, args: readonly unknown[], wanted: readonly Tensor[], options: GradcheckOptions): void {
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, nondet_tol = 0 } = options;
  const outputs = outputsOf(fn, args);
  const recorded = outputs.map((t) => t.requires_grad);
  const numerical = wanted.map((input) =>
    withGradMode(false, () => numericalJacobians(fn, args, input, outputs.length, eps)),
  );
  if (!recorded.includes(true)) {
    // Nothing is differentiable: then nothing may depend on the inputs.
    for (const jacobians of numerical) {
      if (jacobians.some((jacobian) => jacobian.some((row) => row.some((x) => !(Math.abs(x) <= atol))))) {
        throw new GradcheckError("Numerical gradient for function expected to be zero");
      }
    }
    return;
  }
  for (const [k, output] of outputs.entries()) {
    if (!recorded[k]) continue;
    const analytical = analyticalJacobians(output, wanted, nondet_tol);
    for (const [i, input] of wanted.entries()) {
      if (agree(numerical[i][k], analytical[i], atol, rtol)) continue;
      const text = (jacobian: Jacobian): string => String(input.detach().new_tensor(jacobian));
      throw new GradcheckError(
        `Jacobian mismatch for output ${k} with respect to input ${i},\nnumerical:${text(numerical[i][k])}\nanalytical:${text(analytical[i])}\n`,
      );
    }
  }
}

/**
 * Whether the gradients that `fn` has for its inputs agree with finite differences. Inputs that require gradients should
 * be float64. Throws a `GradcheckError` with the difference found, unless `raise_exception` is false.
 */
export function gradcheck(fn: Func, inputs: readonly unknown[] | Tensor, options: GradcheckOptions = {}): boolean {
  checkKeywords("gradcheck", options, OPTIONS);
  const args = is_tensor(inputs) ? [inputs] : inputs;
  const wanted = args.filter((a): a is Tensor => is_tensor(a) && a.requires_grad);
  try {
    if (wanted.length === 0) {
      throw new ValueError(
        "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True.",
      );
    }
    for (const [i, t] of wanted.entries()) {
      if (t.sizes.some((s, d) => s > 1 && t.strides[d] === 0)) {
        throw new RuntimeError(
          `The ${i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to be able to compute the numerical gradients correctly. You should call .contiguous on the input before passing it to gradcheck.`,
        );
      }
    }
    compare(fn, args, wanted, options);
  } catch (error) {
    if (error instanceof GradcheckError && options.raise_exception === false) return false;
    throw error;
  }
  return true;
}

/** Whether second derivatives agree: gradcheck of the gradient, weighted by `grad_outputs`. */
export function gradgradcheck(
  fn: Func,
  inputs: readonly unknown[] | Tensor,
  grad_outputs: Tensor | readonly Tensor[] | null = null,
  options: GradcheckOptions = {},
): boolean {
  const args = is_tensor(inputs) ? [inputs] : inputs;
  const wanted = args.map((a, i) => (is_tensor(a) && a.requires_grad ? i : -1)).filter((i) => i >= 0);
  const differentiable = (xs: readonly unknown[]): Tensor[] => outputsOf(fn, xs).filter((t) => t.requires_grad);
  const given = is_tensor(grad_outputs) ? [grad_outputs] : grad_outputs;
  const weights = given ?? differentiable(args).map(structureless);
  const first = (...all: unknown[]): Tensor[] => {
    const xs = all.slice(0, args.length);
    const ws = all.slice(args.length) as Tensor[];
    return withGradMode(true, () =>
      grad(
        differentiable(xs),
        wanted.map((i) => xs[i] as Tensor),
        { grad_outputs: ws, create_graph: true, allow_unused: true },
      ).filter((g): g is Tensor => g?.requires_grad === true),
    );
  };
  return gradcheck(first as Func, [...args, ...weights], options);
}

/** Fixed weights of the shape of `t`, without structure, so that no term cancels. */
function structureless(t: Tensor): Tensor {
  const weights = t.detach().new_zeros(t.sizes);
  for (let j = 0; j < weights.numel(); j++) put(elementView(weights, j), Math.cos(1 + 2 * j) + 1.5);
  return weights.requires_grad_();
}
