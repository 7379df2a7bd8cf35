/** Checks gradients against finite differences: https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html */
import { RuntimeError } from "../errors.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { grad } from "./backward.ts";
import { withGradMode } from "./mode.ts";

export interface GradcheckOptions {
  /** Step of the finite differences. Default 1e-6, which needs float64. */
  readonly eps?: number;
  readonly atol?: number;
  readonly rtol?: number;
  /** Throw with the difference rather than return false. Default true. */
  readonly raise_exception?: boolean;
  /** Accept gradients that do not repeat within this. Default 0. */
  readonly nondet_tol?: number;
}

type Func = (...inputs: never[]) => Tensor | readonly Tensor[];

function outputsOf(fn: Func, inputs: readonly unknown[]): Tensor[] {
  const out = (fn as (...all: unknown[]) => Tensor | readonly Tensor[])(...inputs);
  const list = is_tensor(out) ? [out] : [...out];
  return list.filter((t) => t.is_floating_point());
}

/** Derivatives of every output element by central differences in every element of `input`: one row per input element. */
function numericalJacobian(fn: Func, inputs: readonly unknown[], input: Tensor, eps: number): number[][][] {
  const values = input.detach();
  const rows: number[][][] = [];
  const flat = (t: Tensor): number[] => Array.from(t.detach().contiguous().typed_array() as Float64Array, Number);
  for (let i = 0; i < values.numel(); i++) {
    const element = elementView(values, i);
    const before = element.item() as number;
    element.copy_(element.new_ones([]).mul(before + eps));
    const above = outputsOf(fn, inputs).map(flat);
    element.copy_(element.new_ones([]).mul(before - eps));
    const below = outputsOf(fn, inputs).map(flat);
    element.copy_(element.new_ones([]).mul(before));
    rows.push(above.map((a, k) => a.map((x, j) => (x - below[k][j]) / (2 * eps))));
  }
  return rows;
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

function report(options: GradcheckOptions, message: string): boolean {
  if (options.raise_exception ?? true) throw new RuntimeError(message);
  return false;
}

/**
 * Whether the gradients that `fn` has for its inputs agree with finite differences. Inputs that require gradients should
 * be float64. Throws with the difference found, unless `raise_exception` is false.
 */
export function gradcheck(fn: Func, inputs: readonly unknown[] | Tensor, options: GradcheckOptions = {}): boolean {
  const args = is_tensor(inputs) ? [inputs] : inputs;
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, nondet_tol = 0 } = options;
  const wanted = args.filter((a): a is Tensor => is_tensor(a) && a.requires_grad);
  if (wanted.length === 0) {
    throw new RuntimeError(
      "gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True.",
    );
  }
  for (const t of wanted) {
    if (t.sizes.some((s, d) => s > 1 && t.strides[d] === 0)) {
      throw new RuntimeError(
        "gradcheck: an input has a dimension with stride 0; finite differences need elements of their own: clone() it",
      );
    }
  }
  const outputs = outputsOf(fn, args);
  for (let k = 0; k < outputs.length; k++) {
    // Taking differences changes the inputs in place, so that what an earlier call saved is out of date.
    const output = k === 0 ? outputs[0] : outputsOf(fn, args)[k];
    if (!output.requires_grad) continue;
    const analytic = wanted.map(() => [] as number[][]);
    for (let j = 0; j < output.numel(); j++) {
      const seed = output
        .detach()
        .new_zeros(output.sizes as number[])
        .contiguous();
      elementView(seed, j).copy_(seed.new_ones([]));
      const run = (): (Tensor | null)[] =>
        grad(output, wanted, { grad_outputs: seed, retain_graph: true, allow_unused: true });
      const first = run();
      const second = nondet_tol >= 0 && j === 0 ? run() : first;
      first.forEach((g, i) => {
        const values =
          g === null
            ? new Array<number>(wanted[i].numel()).fill(0)
            : Array.from(g.contiguous().typed_array() as Float64Array, Number);
        const again = second[i];
        if (g !== null && again !== null && g !== again) {
          const other = Array.from(again.contiguous().typed_array() as Float64Array, Number);
          if (values.some((v, n) => Math.abs(v - other[n]) > nondet_tol)) {
            report(
              options,
              `Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different values for input ${i}.`,
            );
          }
        }
        analytic[i].push(values);
      });
    }
    for (const [i, input] of wanted.entries()) {
      const numerical = withGradMode(false, () => numericalJacobian(fn, args, input, eps));
      for (let n = 0; n < input.numel(); n++) {
        for (let j = 0; j < output.numel(); j++) {
          const expected = numerical[n][k][j];
          const got = analytic[i][j][n];
          if (!(Math.abs(expected - got) <= atol + rtol * Math.abs(expected))) {
            return report(
              options,
              `Jacobian mismatch for output ${k} with respect to input ${i},\nat output element ${j}, input element ${n}: numerical ${expected}, analytical ${got}`,
            );
          }
        }
      }
    }
  }
  return true;
}

/** Whether second derivatives agree: gradcheck of the gradient, with random weights `grad_outputs`. */
export function gradgradcheck(
  fn: Func,
  inputs: readonly unknown[] | Tensor,
  grad_outputs: readonly Tensor[] | null = null,
  options: GradcheckOptions = {},
): boolean {
  const args = is_tensor(inputs) ? [inputs] : inputs;
  const wanted = args.map((a, i) => (is_tensor(a) && a.requires_grad ? i : -1)).filter((i) => i >= 0);
  const outputs = outputsOf(fn, args);
  const weights =
    grad_outputs ??
    outputs.map((o) => {
      // Fixed weights without structure, so that no term cancels.
      const w = o.detach().new_zeros(o.sizes as number[]);
      for (let j = 0; j < w.numel(); j++) elementView(w, j).copy_(w.new_ones([]).mul(Math.cos(1 + 2 * j) + 1.5));
      return w.requires_grad_();
    });
  const first = (...all: unknown[]): Tensor[] => {
    const xs = all.slice(0, args.length);
    const ws = all.slice(args.length) as Tensor[];
    return withGradMode(true, () => {
      const results = grad(
        outputsOf(fn, xs),
        wanted.map((i) => xs[i] as Tensor),
        { grad_outputs: ws, create_graph: true, allow_unused: true },
      );
      return results.filter((g): g is Tensor => g?.requires_grad === true);
    });
  };
  const all = [...args, ...weights];
  if (first(...all).length === 0) return true;
  return gradcheck(first as Func, all, options);
}
