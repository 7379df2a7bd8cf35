/**
 * Second derivatives of golden calls against PyTorch's, which tools/golden-second.py writes down beside the samples. Both sides
 * weight what they differentiate by `upstream`.
 */
import type { Difference } from "./compare.ts";
import { compareTensor, describe, similarMessage } from "./compare.ts";
import type { GoldenOp, GoldenTensor, Sample } from "./golden.ts";
import { loadGolden } from "./golden.ts";
import type { Api, TensorLike } from "./target.ts";
import { callTarget, isTensorLike, makeCall, upstreamGradient } from "./target.ts";

export interface SecondSample {
  id: string;
  first?: (boolean | null)[];
  second?: (GoldenTensor | null)[];
  serr?: (number | null)[];
  error?: { class: string; message: string };
}

export interface GoldenSecond {
  op: string;
  samples: SecondSample[];
  blob: Uint8Array;
}

export const loadSecond = (path: string): GoldenSecond => loadGolden<Omit<GoldenSecond, "blob">>(path);

type Grad = (outs: unknown, inputs: unknown, options: unknown) => (TensorLike | null)[];

/** The first gradients, and the gradients of those that can be differentiated again. */
export function secondDerivatives(
  api: Api,
  golden: GoldenOp,
  sample: Sample,
): { first: (TensorLike | null)[]; second: (TensorLike | null)[] } {
  const grad = (api.torch.autograd as { grad: Grad }).grad;
  const call = makeCall(api, sample, golden.blob, { grad: true });
  if (sample.seed !== undefined) (api.torch.manual_seed as (s: number) => unknown)(sample.seed);
  const result = callTarget(api, sample.fn, call.args, call.kwargs);
  const outs = (isTensorLike(result) ? [result] : Array.from(result as ArrayLike<unknown>)) as TensorLike[];
  const wanted = outs.map((o, i) => ({ o, i })).filter(({ o }) => isTensorLike(o) && o.requires_grad);
  const inputs = call.tensors.filter((t) => t.golden.grad).map((t) => t.made);
  const incoming = wanted.map(({ o, i }) => upstreamGradient(api, o, i).requires_grad_());
  const first = grad(
    wanted.map(({ o }) => o),
    inputs,
    { grad_outputs: incoming, create_graph: true, allow_unused: true },
  );
  const again = first.map((g, i) => ({ g, i })).filter(({ g }) => g?.requires_grad === true);
  if (again.length === 0) return { first, second: [] };
  const weights = again.map(({ g, i }) => upstreamGradient(api, g as TensorLike, i + 5));
  const second = grad(
    again.map(({ g }) => g),
    [...inputs, ...incoming],
    { grad_outputs: weights, allow_unused: true },
  );
  return { first, second };
}

/** Differences between our second derivatives and PyTorch's. */
export function compareSecond(
  api: Api,
  golden: GoldenOp,
  sample: Sample,
  expected: SecondSample,
  blob: Uint8Array,
): Difference[] {
  const wrong = (message: string, note = false): Difference => ({ check: "grad", message, note });
  let got: ReturnType<typeof secondDerivatives>;
  try {
    got = secondDerivatives(api, golden, sample);
  } catch (error) {
    const { name, message } = error as Error;
    if (expected.error === undefined) return [wrong(`throws ${name}: ${message.split("\n")[0]}`)];
    if (name !== expected.error.class)
      return [
        wrong(
          `throws ${name} (${message.split("\n")[0]}), expected ${expected.error.class} (${expected.error.message})`,
        ),
      ];
    return similarMessage(message, expected.error.message)
      ? []
      : [wrong(`says "${message.split("\n")[0]}", PyTorch says "${expected.error.message}"`)];
  }
  if (expected.error !== undefined) return [wrong(`should throw ${expected.error.class} (${expected.error.message})`)];
  const flags = got.first.map((g) => (g === null ? null : g.requires_grad));
  const found: Difference[] = [];
  if (JSON.stringify(flags) !== JSON.stringify(expected.first)) {
    found.push(
      wrong(
        `first gradients that can be differentiated: ${JSON.stringify(flags)}, expected ${JSON.stringify(expected.first)}`,
        true,
      ),
    );
  }
  const values = expected.second ?? [];
  // One side may have zeros where the other has no gradient.
  const list = got.second.length === 0 ? values.map(() => null) : got.second;
  for (const [i, e] of values.entries()) {
    const g = list[i];
    if (e === null || g === null) {
      if (e === null && g === null) continue;
      const zero = (t: TensorLike | null): boolean =>
        t === null || !Array.from(t.contiguous().typed_array(), Number).some((v) => v !== 0);
      const there =
        e === null ? zero(g) : compareTensor(api, zeroLike(api, e), e, blob, { rtol: 0, atol: 0 }).every((d) => d.note);
      found.push(
        wrong(
          `${i}: got ${g === null ? "none" : describe(g)}, expected ${e === null ? "none" : "a tensor"}${there ? " (of zeros)" : ""}`,
          there,
        ),
      );
      continue;
    }
    const [rtol, atol] = golden.tolerance[e.t];
    const differences = compareTensor(api, g, e, blob, { rtol, atol, err: expected.serr?.[i] });
    found.push(...differences.map((d) => ({ ...d, message: `${i}: ${d.message}` })));
  }
  return found;
}

const zeroLike = (api: Api, e: GoldenTensor): unknown =>
  (api.torch.zeros as (...a: unknown[]) => unknown)(e.shape, { dtype: api.torch[e.t] });

export interface SecondException {
  ops: readonly string[];
  /** Whether a difference is the one that the reason is about. */
  excuses: (sample: Sample, message: string) => boolean;
  reason: string;
}

const special = (sample: Sample, message: string): boolean =>
  /special values|transposed/.test(sample.from) && /NaN|Infinity|expected 0 /.test(message);
const functional = (names: string): string[] => names.split(" ").map((n) => `nn.functional.${n}`);

/** Where second derivatives differ from PyTorch's, each with its reason. */
export const secondExceptions: readonly SecondException[] = [
  {
    ops: functional("embedding_bag hardsigmoid multi_margin_loss multilabel_margin_loss scaled_dot_product_attention"),
    excuses: (_, message) => /^should throw \w+ \(.*is not implemented/.test(message),
    reason: "PyTorch has no second derivative of it, here there is one",
  },
  {
    ops: functional("celu elu selu hardshrink hardswish hardtanh relu6 softshrink"),
    excuses: special,
    reason: "the gradient at NaN: PyTorch's vector code differs from its own scalar code, which is what we follow",
  },
  {
    ops: ["asinh", "atanh", "i0", "nn.functional.mish", "cdist", "grid_sampler_3d"],
    excuses: special,
    reason:
      "at infinities, or numbers whose square is one, a product of 0 and infinity is NaN in one formula and 0 in another",
  },
  {
    ops: functional("conv1d conv_transpose1d conv_transpose2d group_norm"),
    excuses: special,
    reason: "a difference of the values themselves, for which known-failures.ts has the reason",
  },
  {
    ops: ["ldexp"],
    excuses: (sample) => sample.from === "extra: mixed dtypes, 0-dim",
    reason: "PyTorch raises 2 to a half-precision 0-dimensional exponent in float64, unlike its gradient",
  },
  {
    ops: ["median", "nanmedian", "nn.functional.embedding"],
    excuses: (sample) => sample.from === "extra: empty",
    reason: "of no elements PyTorch's is NaN, or an error about a shape",
  },
  {
    ops: ["norm"],
    excuses: (_, message) => /singular value decomposition/.test(message),
    reason: "the nuclear norm needs a singular value decomposition, which is not there yet",
  },
  {
    ops: ["sinc"],
    excuses: (sample) => sample.from === "extra: special values",
    reason: "near 0 and at numbers whose square is 0 the formula is all rounding error",
  },
  {
    ops: ["logcumsumexp"],
    excuses: (sample, message) => sample.id.startsWith("float32") || /expected NaN/.test(message),
    reason:
      "a sum of terms that cancel; PyTorch's is NaN where an incoming gradient is 0, of which it takes the logarithm",
  },
];
