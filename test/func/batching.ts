/**
 * Golden calls under vmap: a call on stacked inputs gives the stacked results of calls one by one, for every choice of the
 * inputs that are stacked; the same for its gradients.
 */
import * as torch from "../../src/index.ts";
import type { GoldenOp, Sample } from "../conformance/golden.ts";
import {
  type Api,
  callTarget,
  hasTarget,
  isTensorLike,
  makeCall,
  upstreamGradient,
  valuesOf,
} from "../conformance/target.ts";

type Tensor = torch.Tensor;

export interface BatchingFailure {
  sample: Sample;
  form: "vmap" | "vmap(grad)";
  /** For each tensor of the call: the dimension it was stacked along, null for the same in all samples. */
  dims: readonly (number | null)[];
  message: string;
  cause?: unknown;
}

export interface BatchingReport {
  checks: number;
  failures: BatchingFailure[];
}

/** What these do depends on how the elements lie in memory. */
const NEEDS_LAYOUT = new Set(["torch.as_strided", "Tensor.view", "Tensor.view_as", "Tensor.as_strided_"]);
/** How many samples in a batch. */
const SIZE = 2;

const TOLERANCE: Record<string, number> = { float64: 1e-8, float32: 2e-4, float16: 2e-2, bfloat16: 1e-1 };

/** Whether the results of a sample follow from its inputs and can be compared. */
export function suitable(api: Api, sample: Sample): boolean {
  if (sample.error || sample.seed !== undefined || !hasTarget(api, sample.fn)) return false;
  if (NEEDS_LAYOUT.has(sample.fn) || sample.fn.startsWith("prop.")) return false;
  return !JSON.stringify(sample.out ?? null).includes('"novalue"');
}

function tensorsOf(result: unknown): Tensor[] {
  if (isTensorLike(result)) return [result as unknown as Tensor];
  if (typeof result !== "object" || result === null || !("length" in result)) return [];
  return Array.from(result as ArrayLike<unknown>).flatMap(tensorsOf);
}

/** The values of sample `i` of a batch: those of the call, in another order from sample to sample. */
function variant(t: Tensor, i: number): Tensor {
  const plain = t.detach();
  return i === 0 || t.numel() < 2
    ? plain
    : plain
        .reshape(-1)
        .roll(i)
        .reshape([...t.shape]);
}

/** Which inputs are stacked, and along which dimension. */
function choices(sample: Sample, ranks: readonly number[]): (number | null)[][] {
  const all = ranks.map(() => 0);
  const list: (number | null)[][] = [all, ranks.map((rank) => rank)];
  if (ranks.length > 1) {
    for (const [i] of ranks.entries()) {
      // A tensor that is the same for all samples cannot be overwritten with what differs.
      if (!sample.fn.endsWith("_") || i === 0) list.push(ranks.map((_, k) => (k === i ? 0 : null)));
    }
  }
  return list;
}

/** The call of a sample with other tensors in the places of its own. */
function callWith(api: Api, golden: GoldenOp, sample: Sample, tensors: readonly Tensor[]): Tensor[] {
  const call = makeCall(api, sample, golden.blob);
  const replaced = new Map<unknown, Tensor>(call.tensors.map(({ made }, i) => [made, tensors[i]]));
  const put = (v: unknown): unknown => replaced.get(v) ?? (Array.isArray(v) ? v.map(put) : v);
  const kwargs = Object.fromEntries(Object.entries(call.kwargs).map(([k, v]) => [k, put(v)]));
  const args = call.args.map(put);
  if (sample.fn.endsWith("_")) args[0] = (args[0] as Tensor).clone();
  return tensorsOf(callTarget(api, sample.fn, args, kwargs));
}

function difference(api: Api, actual: Tensor, expected: Tensor): string | null {
  if (actual.shape.join() !== expected.shape.join()) return `shape [${actual.shape}], not [${expected.shape}]`;
  if (actual.dtype !== expected.dtype) return `dtype ${actual.dtype.name}, not ${expected.dtype.name}`;
  const a = valuesOf(api, actual as never);
  const b = valuesOf(api, expected as never);
  const tolerance = TOLERANCE[expected.dtype.name] ?? 0;
  let scale = 1;
  for (let i = 0; i < b.length; i++) if (Math.abs(Number(b[i])) < 1e6) scale = Math.max(scale, Math.abs(Number(b[i])));
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])];
    // Sums with infinities in them depend on how they are taken.
    if (Object.is(x, y) || x === y || !(Number.isFinite(x) || Number.isFinite(y))) continue;
    if (!(Math.abs(x - y) <= tolerance * Math.max(scale, Math.abs(y)))) return `element ${i} is ${x}, not ${y}`;
  }
  return null;
}

function compareAll(api: Api, actual: readonly Tensor[], loop: readonly Tensor[][]): string | null {
  if (actual.length !== loop[0].length) return `${actual.length} results, not ${loop[0].length}`;
  for (const [k, t] of actual.entries()) {
    const found = difference(
      api,
      t,
      torch.stack(
        loop.map((list) => list[k]),
        0,
      ),
    );
    if (found !== null) return `result ${k}: ${found}`;
  }
  return null;
}

function weighted(api: Api, outputs: readonly Tensor[]): Tensor | null {
  const terms = outputs.flatMap((t, i) =>
    t.is_floating_point() && t.requires_grad ? [t.mul(upstreamGradient(api, t as never, i) as never).sum()] : [],
  );
  return terms.length === 0 ? null : terms.reduce((a, b) => a.add(b));
}

/** Gradients of a call by the tensors `wanted`; zeros for those that it does not depend on. Null: none has any. */
function gradients(
  api: Api,
  golden: GoldenOp,
  sample: Sample,
  tensors: readonly Tensor[],
  wanted: readonly number[],
): Tensor[] | null {
  const all = [...tensors];
  for (const i of wanted) all[i] = all[i].detach().requires_grad_();
  const leaves = wanted.map((i) => all[i]);
  const total = weighted(api, callWith(api, golden, sample, all));
  if (total === null) return null;
  return torch.autograd.grad(total, leaves, { materialize_grads: true });
}

/** The same by torch.func.grad, as a function for vmap. */
function gradientFunction(api: Api, golden: GoldenOp, sample: Sample, wanted: readonly number[]) {
  return (...tensors: Tensor[]): Tensor[] =>
    torch.func.grad(
      (...leaves: Tensor[]) => {
        const all = [...tensors];
        for (const [k, i] of wanted.entries()) all[i] = leaves[k];
        return weighted(api, callWith(api, golden, sample, all)) as Tensor;
      },
      { argnums: wanted.map((_, k) => k) },
    )(...wanted.map((i) => tensors[i])) as unknown as Tensor[];
}

/** Checks samples of an op. */
export function checkBatching(api: Api, golden: GoldenOp, samples: readonly Sample[], most = 8): BatchingReport {
  const report: BatchingReport = { checks: 0, failures: [] };
  for (const sample of samples) {
    const made = makeCall(api, sample, golden.blob).tensors;
    if (made.length === 0) continue;
    const originals = made.map((t) => t.made as unknown as Tensor);
    const wanted = sample.grads
      ? made.flatMap(({ golden: g, made: m }, i) => (g.grad && (m as unknown as Tensor).is_floating_point() ? [i] : []))
      : [];
    const ranks = originals.map((t) => t.ndim);
    for (const dims of choices(sample, ranks).slice(0, most)) {
      const versions = Array.from({ length: SIZE }, (_, i) =>
        originals.map((t, k) => (dims[k] === null ? t : variant(t, i))),
      );
      const stacked = originals.map((t, k) =>
        dims[k] === null
          ? t
          : torch.stack(
              versions.map((v) => v[k]),
              dims[k],
            ),
      );
      const run = (
        form: BatchingFailure["form"],
        one: (tensors: Tensor[]) => Tensor[] | null,
        mapped: (...tensors: Tensor[]) => Tensor[],
      ): void => {
        let loop: Tensor[][];
        try {
          const results = versions.map(one);
          if (results.some((list) => list === null || list.length === 0)) return;
          loop = results as Tensor[][];
          compareAll(api, loop[0], loop);
        } catch {
          // Values in another order are not always arguments of the op.
          return;
        }
        report.checks++;
        try {
          const message = compareAll(api, torch.vmap(mapped, { in_dims: dims as number[] })(...stacked), loop);
          if (message !== null) report.failures.push({ sample, form, dims, message });
        } catch (cause) {
          const { name, message } = cause as Error;
          report.failures.push({ sample, form, dims, message: `throws ${name}: ${message.split("\n")[0]}`, cause });
        }
      };
      run(
        "vmap",
        (tensors) => callWith(api, golden, sample, tensors),
        (...tensors) => callWith(api, golden, sample, tensors),
      );
      if (wanted.length > 0) {
        run(
          "vmap(grad)",
          (tensors) => gradients(api, golden, sample, tensors, wanted),
          gradientFunction(api, golden, sample, wanted),
        );
      }
    }
  }
  return report;
}
