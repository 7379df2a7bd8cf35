/**
 * Connectionist temporal classification (Graves et al., 2006): the probability of a sequence of labels, summed over all ways
 * to stretch it over the steps with blanks in between. The recursions run in float64, on logarithms.
 */

import * as dt from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { allBatched, fold, unfold } from "./define/batch.ts";
import { type PrimitiveCall, primitive, RESULT } from "./define/primitive.ts";
import { fromValues } from "./from-values.ts";
import { floatsOf } from "./memory.ts";

interface CtcAttrs {
  /** The labels of each sample. */
  readonly labels: readonly (readonly number[])[];
  /** How many steps each sample has. */
  readonly steps: readonly number[];
  readonly blank: number;
  readonly zeroInfinity: boolean;
}

function logSum(a: number, b: number, c: number): number {
  const max = Math.max(a, b, c);
  if (max === Number.NEGATIVE_INFINITY) return max;
  return max + Math.log(Math.exp(a - max) + Math.exp(b - max) + Math.exp(c - max));
}

/** Labels with blanks before, between and after them. */
function stretched(labels: readonly number[], blank: number): number[] {
  return [blank, ...labels.flatMap((label) => [label, blank])];
}

/** log p of class `c` at step `t` of a sample. */
type LogProbability = (t: number, c: number) => number;

/** Row t, column s: the logarithm of the probability of all beginnings that end in state s at step t. */
function forwardTable(states: readonly number[], steps: number, lp: LogProbability, reverse: boolean): Float64Array {
  const n = states.length;
  const table = new Float64Array(n * steps).fill(Number.NEGATIVE_INFINITY);
  const none = Number.NEGATIVE_INFINITY;
  const state = (s: number): number => states[reverse ? n - 1 - s : s];
  for (let k = 0; k < steps; k++) {
    const t = reverse ? steps - 1 - k : k;
    // Before anything, only the first blank and the first label can come.
    for (let s = 0; s < (k === 0 ? Math.min(2, n) : n); s++) {
      const label = state(s);
      let sum = 0;
      if (k > 0) {
        const row = (k - 1) * n;
        // Two states on, unless that would skip a blank between equal labels (or begins at a blank).
        const skip = s >= 2 && label !== state(s - 2) ? table[row + s - 2] : none;
        sum = logSum(table[row + s], s >= 1 ? table[row + s - 1] : none, skip);
      }
      table[k * n + s] = sum + lp(t, label);
    }
  }
  return table;
}

function logLikelihood(table: Float64Array, states: number, steps: number): number {
  // Without steps only the empty sequence is possible.
  if (steps === 0) return states === 1 ? 0 : Number.NEGATIVE_INFINITY;
  const end = table.length - 1;
  return logSum(table[end], states > 1 ? table[end - 1] : Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY);
}

/** (samples, T, N, C) as (T, samples · N, C). */
const together = (x: Tensor): Tensor => x.movedim(1, 0).flatten(1, 2);

/** The labels of each sample, which all calls share. */
function repeated(attrs: CtcAttrs, times: number): CtcAttrs {
  const all = <T>(list: readonly T[]): T[] => Array.from({ length: times }, () => list).flat();
  return { ...attrs, labels: all(attrs.labels), steps: all(attrs.steps) };
}

const backwardOp: PrimitiveCall<CtcAttrs> = primitive<CtcAttrs>({
  name: "_ctc_loss_backward",
  batch: (call) => {
    const [g, logProbs, losses] = allBatched(call);
    const n = call.attrs.labels.length;
    const all = backwardOp([fold(g), together(logProbs), fold(losses)], repeated(call.attrs, call.size));
    return all.view([logProbs.sizes[1], call.size, n, logProbs.sizes[3]]).movedim(1, 0);
  },
  compute: ([g, logProbs, losses], { labels, steps, blank, zeroInfinity }) => {
    const [longest, batch, classes] = logProbs.sizes;
    const values = floatsOf(logProbs);
    const incoming = floatsOf(g);
    const loss = floatsOf(losses);
    const out = new Float64Array(longest * batch * classes);
    for (let b = 0; b < batch; b++) {
      if (zeroInfinity && loss[b] === Number.POSITIVE_INFINITY) continue;
      const lp: LogProbability = (t, c) => values[(t * batch + b) * classes + c];
      const states = stretched(labels[b], blank);
      const n = states.length;
      const forward = forwardTable(states, steps[b], lp, false);
      const backward = forwardTable(states, steps[b], lp, true);
      for (let t = 0; t < steps[b]; t++) {
        const sums = new Float64Array(classes).fill(Number.NEGATIVE_INFINITY);
        for (let s = 0; s < n; s++) {
          const both = forward[t * n + s] + backward[(steps[b] - 1 - t) * n + (n - 1 - s)];
          sums[states[s]] = logSum(sums[states[s]], both, Number.NEGATIVE_INFINITY);
        }
        for (let c = 0; c < classes; c++) {
          const p = lp(t, c);
          // As PyTorch: the gradient of the logits behind a log_softmax, which passes it on as it is.
          out[(t * batch + b) * classes + c] = (Math.exp(p) - Math.exp(sums[c] + loss[b] - p)) * incoming[b];
        }
      }
    }
    return fromValues(out, logProbs.dtype, false).reshape([longest, batch, classes]);
  },
  gradient: () => {
    throw new RuntimeError("derivative for aten::_ctc_loss_backward is not implemented");
  },
});

const ctcOp: PrimitiveCall<CtcAttrs> = primitive<CtcAttrs>({
  name: "ctc_loss",
  batch: ({ attrs, size, values }) => unfold(ctcOp([together(values[0])], repeated(attrs, size)), size),
  compute: ([logProbs], { labels, steps, blank }) => {
    const [, batch, classes] = logProbs.sizes;
    const values = floatsOf(logProbs);
    const losses = labels.map((own, b) => {
      const states = stretched(own, blank);
      const lp: LogProbability = (t, c) => values[(t * batch + b) * classes + c];
      return -logLikelihood(forwardTable(states, steps[b], lp, false), states.length, steps[b]);
    });
    return fromValues(Float64Array.from(losses), logProbs.dtype, false);
  },
  saves: [[0, RESULT]],
  gradient: (g, c) => [backwardOp([g, c.input(0), c.output()], c.attrs)],
  // The gradient is that of the logits behind a log_softmax, so it says nothing of tangents.
  forward: () => {
    throw new NotImplementedError(
      "Trying to use forward AD with _ctc_loss that does not support it because it has not been implemented yet.",
    );
  },
});

const numbers = (x: Tensor): number[] => (x.reshape(-1).tolist() as (number | bigint)[]).map(Number);

function lengthsOf(given: unknown, name: string, batch: number): number[] {
  let list: number[];
  if (Array.isArray(given)) list = given.map(Number);
  else if (typeof given === "number") list = [given];
  else {
    const x = given as Tensor;
    if (x.dtype.is_floating_point || x.dtype === dt.bool) throw new RuntimeError(`${name} must be integral`);
    list = numbers(x);
  }
  if (list.length !== batch) throw new RuntimeError(`${name} must be of size batch_size`);
  return list;
}

const WHERE = "(while checking arguments for ctc_loss_allocate_outputs)";

/** @internal Losses of all samples; what `nn.functional.ctc_loss` does before its reduction, with the target lengths. */
export function ctcLosses(
  log_probs: Tensor,
  targets: Tensor,
  inputLengths: unknown,
  targetLengths: unknown,
  blank: number,
  zeroInfinity: boolean,
): { losses: Tensor; lengths: number[] } {
  const [longest, batch, classes] = log_probs.shape;
  if (log_probs.dtype !== dt.float32 && log_probs.dtype !== dt.float64)
    dt.notImplementedFor("ctc_loss_cpu", log_probs.dtype);
  const steps = lengthsOf(inputLengths, "input_lengths", batch);
  const lengths = lengthsOf(targetLengths, "target_lengths", batch);
  if (blank < 0 || blank >= classes) throw new RuntimeError("blank must be in label range");
  steps.forEach((n) => {
    if (n < 0) throw new RuntimeError(`Expected input_lengths to have value at least 0, but got value ${n} ${WHERE}`);
    if (n > longest) {
      throw new RuntimeError(`Expected input_lengths to have value at most ${longest}, but got value ${n} ${WHERE}`);
    }
  });
  lengths.forEach((n) => {
    if (n < 0) throw new RuntimeError(`Expected target_lengths to have value at least 0, but got value ${n} ${WHERE}`);
  });
  const all = numbers(targets);
  const total = lengths.reduce((n, s) => n + s, 0);
  const most = Math.max(0, ...lengths);
  let starts: number[];
  if (targets.dim() === 1) {
    if (all.length !== total) {
      throw new RuntimeError(
        `Expected tensor to have size ${total} at dimension 0, but got size ${all.length} for argument #2 'targets' ${WHERE}`,
      );
    }
    starts = lengths.map((_, b) => lengths.slice(0, b).reduce((n, s) => n + s, 0));
  } else if (targets.dim() === 2) {
    const [rows, width] = targets.shape;
    if (rows !== batch) {
      throw new RuntimeError(
        `Expected tensor to have size ${batch} at dimension 0, but got size ${rows} for argument #2 'targets' ${WHERE}`,
      );
    }
    if (width < most) {
      throw new RuntimeError(
        `Expected tensor to have size at least ${most} at dimension 1, but got size ${width} for argument #2 'targets' ${WHERE}`,
      );
    }
    starts = lengths.map((_, b) => b * width);
  } else throw new RuntimeError("targets should be 1-D or 2-D");
  const labels = lengths.map((n, b) => all.slice(starts[b], starts[b] + n).map(Math.trunc));
  for (const own of labels) {
    for (const label of own) {
      if (label < 0 || label >= classes) {
        throw new RuntimeError(`ctc_loss: label ${label} is not in the range of the ${classes} classes`);
      }
    }
  }
  const losses = ctcOp([log_probs], { labels, steps, blank, zeroInfinity });
  return { losses, lengths };
}
