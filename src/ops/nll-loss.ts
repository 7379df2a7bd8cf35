/** The negative log-likelihood of labels: `−weight[label] · x[n, label, …]`. */

import type { BatchedCall } from "../dispatch.ts";
import * as dt from "../dtype.ts";
import { IndexError } from "../errors.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param, stageValue } from "../ir/expr.ts";
import type { Kernel, Stage } from "../ir/kernel.ts";
import { numelOf, type Shape } from "../shape.ts";
import { heap } from "../storage/storage.ts";
import type { Tensor } from "../tensor.ts";
import { copied, fillWith, scalarTensor } from "./copy.ts";
import { again, allBatched, fold } from "./define/batch.ts";
import { type PrimitiveCall, primitive, primitiveMany, RESULT } from "./define/primitive.ts";
import { refuseGradient } from "./define/refuse-gradient.ts";
import { KernelCache, launch } from "./launch.ts";
import type { Reduction } from "./losses.ts";
import { allocate } from "./row.ts";

export interface NllAttrs {
  readonly reduction: Reduction;
  readonly ignoreIndex: number;
}

const cache = new KernelCache<string>();
const compact = (x: Tensor): Tensor =>
  x.contiguousLayout ? x : copied(x, { dtype: x.dtype, format: "contiguous_format" });

/** Sizes of x as [samples, classes, positions]. */
function layoutOf(sizes: Shape): readonly [number, number, number] {
  if (sizes.length === 1) return [1, sizes[0], 1];
  return [sizes[0], sizes[1], numelOf(sizes.slice(2))];
}

/** Throws for labels that are neither a class nor `ignoreIndex`. The labels are contiguous. */
function checkLabels(target: Tensor, classes: number, ignoreIndex: number): void {
  const start = target.storage.address + target.offset * target.dtype.itemsize;
  const count = target.count;
  const refuse = (label: number | bigint): never => {
    throw new IndexError(`Target ${label} is out of bounds.`);
  };
  if (target.dtype === dt.uint8) {
    const labels = new Uint8Array(heap.memory.buffer, start, count);
    for (let i = 0; i < count; i++) if (labels[i] >= classes && labels[i] !== ignoreIndex) refuse(labels[i]);
    return;
  }
  // The low and the high half of each label: no bigint is made for those in range.
  const halves = new Int32Array(heap.memory.buffer, start, 2 * count);
  for (let i = 0; i < count; i++) {
    const low = halves[2 * i];
    const high = halves[2 * i + 1];
    if (high === 0 && low >= 0 && low < classes) continue;
    const label = (BigInt(high) << 32n) | BigInt(low >>> 0);
    if (label !== BigInt(ignoreIndex)) refuse(label);
  }
}

interface Parts {
  readonly params: ComputeType[];
  readonly samples: Axis;
  readonly positions: Axis;
  readonly classes: Expr;
  readonly ignore: Expr;
}

function parts(): Parts {
  const params: ComputeType[] = ["i32", "i32", "i32", "i64"];
  return {
    params,
    samples: new Axis("sample", param("i32", 0)),
    positions: new Axis("position", param("i32", 1)),
    classes: param("i32", 2),
    ignore: param("i64", 3),
  };
}

/** Labels that are ignored count with weight 0. */
function forwardKernel(x: Tensor, target: Tensor, weight: Tensor | null, reduction: Reduction): Kernel {
  const { params, samples, positions, classes, ignore } = parts();
  const type = computeType(x.dtype.name);
  const at = samples.index.mul(positions.size).add(positions.index);
  const label = load(computeType(target.dtype.name), 1, at).cast("i64");
  const used = label.ne(ignore);
  const safe = used.select(label, constant("i64", 0)).cast("i32");
  const position = samples.index.mul(classes).add(safe).mul(positions.size).add(positions.index);
  const zero = constant(type, 0);
  const w = weight === null ? constant(type, 1) : load(type, 2, safe);
  const value = load(type, 0, position, used).neg();
  const term = used.select(weight === null ? value : value.mul(w), zero);
  const out = weight === null ? 2 : 3;
  const inputs = [x, target, ...(weight === null ? [] : [weight])];
  const stages: Stage[] = [];
  if (reduction === "none") stages.push({ kind: "store", over: "outer", buffer: out, index: at, value: term });
  else {
    const origin = constant("i32", 0);
    const sum = stageValue(type, 0);
    const total = stageValue(type, 1);
    stages.push(
      { kind: "reduce", op: "sum", value: term },
      { kind: "reduce", op: "sum", value: used.select(w, zero) },
      {
        kind: "store",
        over: "outer",
        buffer: out,
        index: origin,
        value: reduction === "mean" ? sum.div(total) : sum,
      },
      { kind: "store", over: "outer", buffer: out + 1, index: origin, value: total },
    );
  }
  const axes = [samples, positions];
  return {
    form: "row",
    name: "nll_loss",
    buffers: [
      ...inputs.map((t) => ({ dtype: t.dtype.name, access: "read" as const })),
      { dtype: x.dtype.name, access: "write" },
      ...(reduction === "none" ? [] : [{ dtype: x.dtype.name, access: "write" as const }]),
    ],
    params,
    outer: reduction === "none" ? axes : [],
    inner: reduction === "none" ? [] : axes,
    stages,
  };
}

function nllForward(inputs: readonly Tensor[], { reduction, ignoreIndex }: NllAttrs): Tensor[] {
  const [x, target, weight = null] = inputs;
  const [samples, classes, positions] = layoutOf(x.sizes);
  const labels = compact(target);
  checkLabels(labels, classes, ignoreIndex);
  const out = allocate(x.dtype, reduction === "none" ? target.sizes : []);
  const total = reduction === "none" ? scalarTensor(0, x.dtype) : allocate(x.dtype, []);
  if (reduction === "none" && out.count === 0) return [out, total];
  const key = `nll:${reduction}:${x.dtype.id}:${target.dtype.id}:${weight !== null}`;
  const kernel = cache.get(key, () => forwardKernel(x, target, weight, reduction));
  const tensors = [compact(x), labels, ...(weight === null ? [] : [compact(weight)]), out];
  if (reduction !== "none") tensors.push(total);
  launch(kernel, tensors, [samples, positions, classes, ignoreIndex]);
  return [out, total];
}

/** The labels' elements of a gradient of zeros get their shares. */
function backwardKernel(x: Tensor, target: Tensor, weight: Tensor | null, reduction: Reduction): Kernel {
  const { params, samples, positions, classes, ignore } = parts();
  const type = computeType(x.dtype.name);
  const at = samples.index.mul(positions.size).add(positions.index);
  const label = load(computeType(target.dtype.name), 1, at).cast("i64");
  const used = label.ne(ignore);
  const safe = used.select(label, constant("i64", 0)).cast("i32");
  const origin = constant("i32", 0);
  let value = load(type, 0, reduction === "none" ? at : origin).neg();
  if (weight !== null) value = value.mul(load(type, 2, safe));
  const next = weight === null ? 2 : 3;
  if (reduction === "mean") value = value.div(load(type, next, origin));
  const inputs = [x, target, ...(weight === null ? [] : [weight]), ...(reduction === "mean" ? [x] : [])];
  return {
    form: "scatter",
    name: "nll_loss_backward",
    buffers: [
      ...inputs.map((t) => ({ dtype: t.dtype.name, access: "read" as const })),
      { dtype: x.dtype.name, access: "readwrite" },
    ],
    params,
    axes: [samples, positions],
    mode: "set",
    buffer: inputs.length,
    index: samples.index.mul(classes).add(safe).mul(positions.size).add(positions.index),
    value: used.select(value, constant(type, 0)),
  };
}

interface BackwardAttrs extends NllAttrs {
  readonly sizes: Shape;
  readonly weighted: boolean;
  readonly node: string;
}

/** Samples [classes] or [N, classes, …] of all calls as one list of them; those of labels alike. */
function joined(x: Tensor, sampleRank: number, labels: Tensor): [Tensor, Tensor] {
  return sampleRank === 1 ? [x, labels] : [fold(x), fold(labels)];
}

/** The losses one by one, and then what each call makes of its own. */
function batchedForward(call: BatchedCall<NllAttrs>): Tensor[] | null {
  const { attrs, batched, inputs, size, values } = call;
  if (batched[2]) return null;
  const [x, target] = allBatched(call);
  const weight = values.slice(2);
  const [rows, labels] = joined(x, inputs[0].sizes.length, target);
  const [each] = again<NllAttrs>(call, { ...attrs, reduction: "none" }, [rows, labels, ...weight]) as Tensor[];
  const own = each.view([size, ...inputs[1].sizes]);
  if (attrs.reduction === "none") return [own, own.new_zeros([size])];
  const dims = own.sizes.slice(1).map((_, d) => d + 1);
  const over = (t: Tensor): Tensor => (dims.length === 0 ? t : t.sum(dims));
  const used = target.ne(attrs.ignoreIndex);
  const counted =
    weight.length === 0
      ? used.to(x.dtype)
      : weight[0]
          .index_select(0, target.masked_fill(used.logical_not(), 0).long().reshape(-1))
          .view(target.sizes)
          .mul(used);
  const [sum, total] = [over(own), over(counted)];
  return [attrs.reduction === "mean" ? sum.div(total) : sum, total];
}

/** Inputs: the gradient, the labels, the total weight, and the weights if there are any. */
const backwardOp: PrimitiveCall<BackwardAttrs> = primitive<BackwardAttrs>({
  name: "nll_loss_backward",
  batch: (call) => {
    const { attrs, batched, size } = call;
    if (batched[3]) return null;
    const [g, target, total] = allBatched(call);
    const { sizes, reduction } = attrs;
    // As for losses one by one, each with its share of the gradient.
    const shares = reduction === "mean" ? g.div(total) : g;
    const spread = reduction === "none" ? g : shares.view([size, ...target.sizes.slice(1).map(() => 1)]);
    const [rows, labels] = joined(spread.expand(target.sizes), sizes.length, target);
    const wide = sizes.length === 1 ? [size, ...sizes] : [size * sizes[0], ...sizes.slice(1)];
    const result = backwardOp([rows, labels, scalarTensor(0, g.dtype), ...call.values.slice(3)], {
      ...attrs,
      reduction: "none",
      sizes: wide,
    });
    return result.view([size, ...sizes]);
  },
  compute: ([g, target, total, weight = null], { sizes, reduction, ignoreIndex }) => {
    const out = allocate(g.dtype, sizes);
    if (out.count === 0) return out;
    fillWith(out, 0);
    const [samples, classes, positions] = layoutOf(sizes);
    const key = `nllb:${reduction}:${g.dtype.id}:${target.dtype.id}:${weight !== null}`;
    const kernel = cache.get(key, () => backwardKernel(g, target, weight, reduction));
    const tensors = [compact(g), compact(target)];
    if (weight !== null) tensors.push(compact(weight));
    if (reduction === "mean") tensors.push(total);
    tensors.push(out);
    launch(kernel, tensors, [samples, positions, classes, ignoreIndex]);
    return out;
  },
  // Linear in g: the loss of the incoming gradient, as PyTorch has it.
  gradient: (gg, c) => {
    const weight = c.attrs.weighted ? [c.input(3)] : [];
    return [
      nllOps[c.attrs.node]([gg, c.input(1), ...weight], c.attrs)[0],
      ...new Array<null>(c.inputCount - 1).fill(null),
    ];
  },
  saves: [[1, 3], []],
});

function nllOp(node: string): (inputs: readonly Tensor[], attrs: NllAttrs) => Tensor[] {
  return primitiveMany<NllAttrs>({
    name: "nll_loss_forward",
    inputNames: ["self", "target", "weight"],
    batch: batchedForward,
    nodeName: node,
    differentiableOutputs: [true, false],
    compute: nllForward,
    gradient: (g, c) => {
      const weighted = c.inputCount > 2;
      const inputs = [g, c.input(1), c.output(1), ...(weighted ? [c.input(2)] : [])];
      const { reduction, ignoreIndex } = c.attrs;
      const grad = backwardOp(inputs, { reduction, ignoreIndex, sizes: c.shape(0), weighted, node });
      return [grad, ...new Array<null>(c.inputCount - 1).fill(null)];
    },
    saves: [[1, 2, RESULT + 1], []],
  });
}

const nllOps: Record<string, (inputs: readonly Tensor[], attrs: NllAttrs) => Tensor[]> = {
  NllLossBackward: nllOp("NllLossBackward"),
  NllLoss2DBackward: nllOp("NllLoss2DBackward"),
};

/** The loss of log-probabilities x [C], [N, C] or [N, C, …] for labels [], [N] or [N, …], whose shapes are checked before. */
export function nllLoss(x: Tensor, target: Tensor, weight: Tensor | null, attrs: NllAttrs): Tensor {
  const spatial = x.sizes.length > 2;
  refuseGradient(spatial ? "nll_loss2d_forward" : "nll_loss_forward", "weight", weight);
  const op = nllOps[spatial ? "NllLoss2DBackward" : "NllLossBackward"];
  return op(weight === null ? [x, target] : [x, target, weight], attrs)[0];
}
