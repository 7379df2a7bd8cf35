/**
 * Gradients of golden calls against finite differences, in float64, once and twice differentiated. The values of a call are
 * moved off the points where functions tend to have kinks; a call with many elements is looked at along a few fixed directions.
 */
import { grad } from "../../src/autograd/backward.ts";
import { withGradMode } from "../../src/autograd/mode.ts";
import { type GradcheckOptions, gradcheck } from "../../src/func/gradcheck/index.ts";
import type { Tensor } from "../../src/tensor.ts";
import type { Golden, GoldenOp, GoldenTensor, Sample } from "./golden.ts";
import { elements, isTensor, tensorsIn } from "./golden.ts";
import { exceptionsFor, type GradientException, hasKinks } from "./gradient-exceptions.ts";
import type { Api, Namespace } from "./target.ts";
import { callMethod, callTarget, hasTarget, isTensorLike, makeCall } from "./target.ts";

/** Inputs with more elements together are checked along directions instead of element by element. */
const ELEMENTWISE = 12;
/** How many directions, of all inputs together. */
const DIRECTIONS = 3;
const LARGEST = 1e4;

/** What these do depends on how the elements lie in memory. */
const NEEDS_LAYOUT = new Set(["torch.as_strided", "Tensor.view", "Tensor.view_as"]);

export type Form = "call" | "strided" | "inplace" | "inplace on a view";

export interface GradientFailure {
  sample: Sample;
  form: Form;
  order: 1 | 2;
  message: string;
  cause: unknown;
}

export interface GradientReport {
  /** Checks made, of either order. */
  checks: number;
  failures: GradientFailure[];
  /** The exceptions that excused a check. */
  met: Set<GradientException>;
}

const FLOATS = new Set(["float64", "float32", "float16", "bfloat16"]);

const count = (tensor: GoldenTensor): number => tensor.shape.reduce((a, b) => a * b, 1);

const inputsOf = (sample: Sample): GoldenTensor[] => [...tensorsIn(sample.args), ...tensorsIn(sample.kwargs)];

/** Whether a sample can be compared with finite differences: float64 throughout, finite, with a gradient. */
function suitable(api: Api, golden: GoldenOp, sample: Sample): boolean {
  if (!sample.grads || sample.whole || sample.error || !hasTarget(api, sample.fn)) return false;
  const inputs = inputsOf(sample);
  const outputs = tensorsIn(sample.out);
  const floats = [...inputs, ...outputs].filter((t) => FLOATS.has(t.t));
  if (floats.some((t) => t.t !== "float64")) return false;
  // Memory outside of the input counts here, and the copies below have none.
  if (sample.fn === "torch.as_strided" && inputs[0].strides) return false;
  // The differences of large results are all rounding error.
  return floats.every((t) => Array.from(elements(t, golden.blob), Number).every((v) => Math.abs(v) < LARGEST));
}

/** What makes two samples exercise the same formula: all that is not a tensor, the ranks of the tensors, and zeros. */
function kind(sample: Sample): string {
  const outline = (value: Golden): unknown =>
    isTensor(value) ? `${value.t}/${value.shape.length}` : Array.isArray(value) ? value.map(outline) : value;
  const kwargs = Object.entries(sample.kwargs).map(([k, v]) => [k, outline(v)]);
  return JSON.stringify([/zeros/.test(sample.from), sample.fn, sample.args.map(outline), kwargs]);
}

/** The samples to check: `most` of an op, of as many kinds as there are and the smallest of each; or all. */
export function gradientSamples(api: Api, golden: GoldenOp, most: number): Sample[] {
  const cost = (s: Sample): number => {
    const sizes = inputsOf(s).map(count);
    const outputs = tensorsIn(s.out).map(count);
    return sizes.includes(0) || outputs.includes(0) ? 1e6 : sizes.concat(outputs).reduce((a, b) => a + b, 0);
  };
  const usable = golden.samples
    .filter((s) => suitable(api, golden, s))
    .map((sample) => ({ sample, cost: cost(sample) }))
    .sort((a, b) => a.cost - b.cost);
  if (most >= usable.length) return usable.map((u) => u.sample);
  const kinds = new Map<string, Sample>();
  for (const { sample } of usable) if (!kinds.has(kind(sample))) kinds.set(kind(sample), sample);
  const different = [...kinds.values()];
  // Evenly over the list, from the smallest to the largest.
  const step = Math.max(1, different.length / most);
  const chosen = Array.from({ length: Math.min(most, different.length) }, (_, i) => different[Math.floor(i * step)]);
  return [...new Set(chosen)];
}

/** Irregular numbers in [0, 1), always the same: multiples of the golden ratio. */
export const irregular = (i: number): number => ((i + 1) * 0.6180339887498949) % 1;

/**
 * The values of the float64 inputs; of ops with kinks, off zeros, whole numbers and their eighths, and ties. They move toward
 * zero (and zeros up), because 1 is the end of many domains and no function has one inside.
 */
function smoothValues(golden: GoldenOp, inputs: readonly GoldenTensor[], kinks: boolean): Float64Array[] {
  let position = 0;
  const seen = new Set<number>();
  const cell = (v: number): number => Math.round(v * 5000);
  const taken = (v: number): boolean => seen.has(cell(v)) || seen.has(cell(v) - 1) || seen.has(cell(v) + 1);
  const kinked = (v: number): boolean => Math.abs(8 * v - Math.round(8 * v)) < 1e-3;
  return inputs.map((input) =>
    Float64Array.from(elements(input, golden.blob) as ArrayLike<number>, (value) => {
      let v = value;
      for (let attempt = 0; kinks && attempt < 40 && (taken(v) || kinked(v)); attempt++) {
        const part = 0.002 + 0.05 * irregular(position++);
        v = Math.abs(v) < 1e-3 ? part : v * (1 - part);
      }
      seen.add(cell(v));
      return v;
    }),
  );
}

export type Leaves = readonly Tensor[];
export type Body = (...leaves: Tensor[]) => Tensor[];

/** A function of tensors that require gradients, and these tensors. */
export interface Problem {
  body: Body;
  leaves: Leaves;
}

function tensorsOf(result: unknown): Tensor[] {
  if (isTensorLike(result)) return [result as unknown as Tensor];
  if (typeof result !== "object" || result === null || !("length" in result)) return [];
  return Array.from(result as ArrayLike<unknown>).flatMap(tensorsOf);
}

const reversed = (t: Tensor): Tensor => t.permute(t.shape.map((_, d) => t.ndim - 1 - d));

/** The same values with the first dimension innermost, or every second element of a vector. */
const otherLayout = (torch: typeof import("../../src/index.ts"), t: Tensor): Tensor =>
  t.ndim >= 2 ? reversed(reversed(t).contiguous()) : torch.stack([t, t.mul(2)], -1).select(-1, 0);

/** The call as a function of its float64 tensors; every other argument is made afresh each time. */
export function callOnLeaves(api: Api, golden: GoldenOp, sample: Sample, form: Form, excluded: number[]): Problem {
  const { torch } = api as unknown as { torch: typeof import("../../src/index.ts") };
  const inputs = inputsOf(sample);
  const wanted = inputs.map((t, i) => t.t === "float64" && !excluded.includes(i));
  const values = smoothValues(
    golden,
    inputs.filter((t) => t.t === "float64"),
    hasKinks(golden.op, sample),
  );
  const smooth = inputs.map((t) =>
    t.t === "float64"
      ? torch.tensor(values.shift() as Float64Array, { dtype: torch.float64 }).reshape([...t.shape])
      : null,
  );

  const body: Body = (...leaves) => {
    const queue = [...leaves];
    const given = smooth
      .map((t, i) => (wanted[i] ? (queue.shift() as Tensor) : (t?.clone() ?? null)))
      .map((t) => (t !== null && form === "strided" ? otherLayout(torch, t) : t));
    const call = makeCall(api, sample, golden.blob);
    const replaced = new Map<unknown, Tensor>();
    for (const [i, { made }] of call.tensors.entries()) if (given[i]) replaced.set(made, given[i]);
    const put = (v: unknown): unknown => replaced.get(v) ?? (Array.isArray(v) ? v.map(put) : v);
    const args = call.args.map(put);
    const kwargs = putInto(call.kwargs, put);
    if (sample.seed !== undefined) torch.manual_seed(sample.seed);
    const name = sample.fn.slice(sample.fn.indexOf(".") + 1);
    if (form === "call") {
      // An op that changes its input cannot have a leaf.
      if (name.endsWith("_")) args[0] = (args[0] as Tensor).clone();
      return tensorsOf(callTarget(api, sample.fn, args, kwargs));
    }
    if (form === "strided") {
      // The gradients that come in then have another layout, too.
      return tensorsOf(callTarget(api, sample.fn, args, kwargs)).map((t) => reversed(reversed(t).contiguous()));
    }
    const method = name.endsWith("_") ? name : `${name}_`;
    if (form === "inplace") {
      const self = (args[0] as Tensor).clone();
      callMethod(self, method, args.slice(1), kwargs);
      return [self];
    }
    const base = torch.stack([(args[0] as Tensor).mul(0.5), args[0] as Tensor]);
    callMethod(base.select(0, 1), method, args.slice(1), kwargs);
    return [base];
  };
  return { body, leaves: smooth.filter((_, i) => wanted[i]).map((t) => (t as Tensor).requires_grad_()) };
}

/** The same, of a few coordinates where the tensors have many elements. */
function callAsFunction(api: Api, golden: GoldenOp, sample: Sample, form: Form, excluded: number[]): Problem {
  const { torch } = api as unknown as { torch: typeof import("../../src/index.ts") };
  const { body, leaves } = callOnLeaves(api, golden, sample, form, excluded);
  const total = leaves.reduce((sum, t) => sum + t.numel(), 0);
  return total <= ELEMENTWISE ? { body, leaves } : alongDirections(torch, body, leaves);
}

const putInto = (kwargs: Namespace, put: (v: unknown) => unknown): Namespace =>
  Object.fromEntries(Object.entries(kwargs).map(([k, v]) => [k, put(v)]));

/** The same function of a few coordinates along fixed directions, and a weighted sum of each of its results. */
function alongDirections(torch: typeof import("../../src/index.ts"), body: Body, leaves: Leaves): Problem {
  const spread = (shape: readonly number[], seed: number): Tensor => {
    const size = shape.reduce((a, b) => a * b, 1);
    const flat = Float64Array.from({ length: size }, (_, i) => irregular(i * 7 + seed) - 0.5 + 0.1 * (seed % 3));
    return torch.tensor(flat, { dtype: torch.float64 }).reshape([...shape]);
  };
  const bases = leaves.map((t) => t.detach());
  const directions = leaves.map((t, i) => spread([DIRECTIONS, ...t.shape], 11 * i + 3));
  const coordinates = torch.zeros([DIRECTIONS], { dtype: torch.float64, requires_grad: true });
  const moved: Body = (at) =>
    body(
      ...bases.map((base, i) =>
        base.add(directions[i].mul(at.reshape([DIRECTIONS, ...base.shape.map(() => 1)])).sum(0)),
      ),
    )
      .filter((out) => out.dtype === torch.float64)
      .map((out, i) => out.mul(spread(out.shape, 5 * i + 1)).sum());
  return { body: moved, leaves: [coordinates] };
}

/** Whether a function has no value at its inputs. */
export const outsideDomain = (body: Body, leaves: Leaves): boolean =>
  withGradMode(false, () =>
    body(...leaves).some((t) => t.is_floating_point() && t.numel() > 0 && t.isnan().any().item() === true),
  );

/**
 * The function with results that always depend on its inputs, if only by 0 times them. gradcheck leaves out what requires no
 * gradient; here a result without one has to be constant.
 */
function connected(body: Body): Body {
  return (...leaves) => {
    const results = body(...leaves).filter((t) => t.is_floating_point());
    if (results.every((t) => t.requires_grad)) return results;
    const zero = leaves.map((t) => t.sum().mul(0)).reduce((a, b) => a.add(b));
    return results.map((t) => (t.requires_grad ? t : t.add(zero)));
  };
}

/**
 * gradgradcheck that leaves out nothing: its own asks nothing of a first gradient that does not require a gradient, which is
 * how a backward op without a gradient of its own shows.
 */
function gradcheckOfGradient(body: Body, leaves: Leaves): void {
  const differentiable = (inputs: Leaves): Tensor[] =>
    body(...inputs).filter((t) => t.is_floating_point() && t.requires_grad);
  const weights = differentiable(leaves).map((t, i) =>
    t.new_tensor(Array.from({ length: t.numel() }, (_, j) => 0.7 + irregular(3 * j + i))).reshape([...t.shape]),
  );
  if (weights.length === 0) return;
  const first: Body = (...all) =>
    withGradMode(true, () => {
      const inputs = all.slice(0, leaves.length);
      const grad_outputs = all.slice(leaves.length);
      return grad(differentiable(inputs), inputs, { grad_outputs, create_graph: true, allow_unused: true }).filter(
        (g): g is Tensor => g !== null,
      );
    });
  gradcheck(connected(first) as never, [...leaves, ...weights.map((w) => w.requires_grad_())], { atol: 1e-4 });
}

/** Whether the call says that one of its tensors must not require a gradient. */
function refuses(api: Api, golden: GoldenOp, sample: Sample): boolean {
  try {
    const { body, leaves } = callAsFunction(api, golden, sample, "call", []);
    body(...leaves);
  } catch (error) {
    return /is not differentiable with respect to argument/.test((error as Error).message);
  }
  return false;
}

export function formsOf(sample: Sample, more: boolean): Form[] {
  if (!more) return ["call"];
  const changesInput = sample.fn.endsWith("_");
  return [
    "call",
    ...(sample.strided && !changesInput && !NEEDS_LAYOUT.has(sample.fn) ? ["strided" as const] : []),
    ...(sample.inplace === true ? ["inplace" as const, "inplace on a view" as const] : []),
  ];
}

/** Checks the first and second derivatives of a function by its inputs, which require gradients; throws where one is wrong. */
export function checkDerivatives(body: (...leaves: Tensor[]) => unknown, leaves: readonly Tensor[]): void {
  const listed: Body = (...all) => tensorsOf(body(...all));
  gradcheck(connected(listed) as never, leaves);
  gradcheckOfGradient(listed, leaves);
}

/** The inputs that must not require a gradient, by the exceptions that say so. */
export function excludedInputs(golden: GoldenOp, sample: Sample): [GradientException, number[]][] {
  return exceptionsFor(golden.op, sample).map((exception) => [exception, exception.inputs?.(sample) ?? []]);
}

/** Checks the first and second derivatives of samples of an op, and of other forms of the first ones. */
export function checkGradients(
  api: Api,
  golden: GoldenOp,
  samples: readonly Sample[],
  others = 2,
  more: GradcheckOptions = {},
): GradientReport {
  const report: GradientReport = { checks: 0, failures: [], met: new Set() };
  let left = others;
  for (const sample of samples) {
    const excluded: number[] = [];
    for (const [exception, refused] of excludedInputs(golden, sample)) {
      if (refused.length > 0 && refuses(api, golden, sample)) report.met.add(exception);
      excluded.push(...refused);
    }
    const forms = formsOf(sample, left > 0);
    if (forms.length > 1) left--;
    for (const form of forms) {
      for (const order of [1, 2] as const) {
        report.checks++;
        try {
          const { body, leaves } = callAsFunction(api, golden, sample, form, excluded);
          if (leaves.length === 0 || outsideDomain(body, leaves)) continue;
          if (order === 1) gradcheck(connected(body) as never, leaves, form === "call" ? more : {});
          else gradcheckOfGradient(body, leaves);
        } catch (cause) {
          const exception = exceptionsFor(golden.op, sample).find(
            (e) => e.order !== undefined && order >= e.order && (e.message?.test((cause as Error).message) ?? true),
          );
          if (exception) {
            report.met.add(exception);
            continue;
          }
          const message = String((cause as Error).message)
            .split("\n")
            .slice(0, 6)
            .join("\n");
          report.failures.push({ sample, form, order, message: `${(cause as Error).name}: ${message}`, cause });
        }
      }
    }
  }
  return report;
}
