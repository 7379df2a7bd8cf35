/**
 * Adaptive averages of planes, and the gradients of their inputs, first along one dimension and then along the other. The
 * larger of the two steps goes over columns, side by side in vectors; the other one has few elements.
 */
import { Axis, computeType, type Expr, load } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { KernelCache, launch } from "./launch.ts";
import { Parameters, planesOf } from "./pooling-windows.ts";
import { allocate } from "./row.ts";

/** Windows of up to this many elements are written out. */
const MOST_TAPS = 16;

/**
 * The windows of one dimension: result o sees elements from ⌊o·from/to⌋ to ⌈(o+1)·from/to⌉. Element i of an adaptive
 * average's input belongs to the windows that the same formula gives with the sizes exchanged.
 */
interface Share {
  readonly from: number;
  readonly to: number;
  /** Every window has at least so many elements, and at most so many. */
  readonly least: number;
  readonly most: number;
}

function shareOf(from: number, to: number): Share {
  if (from % to === 0) return { from, to, least: from / to, most: from / to };
  if (to % from === 0) return { from, to, least: 1, most: 1 };
  return { from, to, least: Math.max(1, Math.floor(from / to)), most: Math.floor(from / to) + 2 };
}

export function canSeparate(inputs: Shape, outputs: Shape): boolean {
  return inputs.length === 2 && inputs.every((s, d) => s > 0 && shareOf(s, outputs[d]).most <= MOST_TAPS);
}

const start = (o: Expr, from: Expr, to: Expr): Expr => o.mul(from).div(to);
const end = (o: Expr, from: Expr, to: Expr): Expr => o.add(1).mul(from).add(to).sub(1).div(to);

/** How many elements window `o` has. */
const sizeOf = (o: Expr, from: Expr, to: Expr): Expr => end(o, from, to).sub(start(o, from, to));

const cache = new KernelCache<string>();

/** Which of the two steps, and what it divides by. */
interface Step {
  readonly along: "rows" | "columns";
  /** "own": the size of the result's window; "seen": that of the window seen by each tap; null: nothing. */
  readonly divide: "own" | "seen" | null;
}

/** One step, on contiguous planes. `shares` are the windows of the rows' and the columns' dimension. */
function run(x: Tensor, out: Tensor, planes: number, shares: readonly [Share, Share], step: Step): void {
  const [height, width] = shares;
  const share = step.along === "rows" ? height : width;
  const even = share.from % share.to === 0;
  const key = `${step.along}:${step.divide}:${share.least}:${share.most}:${even}:${x.dtype.id}`;
  const kernel = cache.get(key, () => stepKernel(x, share, even, step));
  launch(kernel, [x, out], [planes, ...out.sizes.slice(-2), height.from, height.to, width.from, width.to]);
}

function stepKernel(x: Tensor, share: Share, even: boolean, { along, divide }: Step): Kernel {
  const p = new Parameters();
  const axes = ["plane", "row", "column"].map((name) => new Axis(name, p.next()));
  const [plane, row, column] = axes.map((axis) => axis.index);
  const [heightFrom, heightTo, widthFrom, widthTo] = p.list(4);
  const [o, from, to] = along === "rows" ? [row, heightFrom, heightTo] : [column, widthFrom, widthTo];
  const type = computeType(x.dtype.name);
  const first = even ? o.mul(share.least) : start(o, from, to);
  const sizes = {
    rows: { source: heightFrom, columns: axes[2].size },
    columns: { source: axes[1].size, columns: widthFrom },
  }[along];
  const terms = Array.from({ length: share.most }, (_, t) => {
    const at = first.add(t);
    const [r, c] = along === "rows" ? [at, column] : [row, at];
    const index = plane.mul(sizes.source).add(r).mul(sizes.columns).add(c);
    const valid = t < share.least ? undefined : at.lt(end(o, from, to));
    const value = load(type, 0, index, valid);
    if (divide !== "seen") return value;
    // The windows of the forward average: they share out the other size.
    const count = sizeOf(r, heightTo, heightFrom).mul(sizeOf(at, to, from));
    return value.div(count.max(1).cast(type));
  });
  let value = terms.reduce((sum, term) => sum.add(term));
  if (divide === "own")
    value = value.div(
      sizeOf(row, heightFrom, heightTo)
        .mul(sizeOf(column, widthFrom, widthTo))
        .cast(type),
    );
  return {
    form: "row",
    name: "adaptive_avg_pool",
    buffers: [
      { dtype: x.dtype.name, access: "read" },
      { dtype: x.dtype.name, access: "write" },
    ],
    params: p.types,
    outer: axes,
    inner: [],
    stages: [
      {
        kind: "store",
        over: "outer",
        buffer: 1,
        index: plane.mul(axes[1].size).add(row).mul(axes[2].size).add(column),
        value,
      },
    ],
  };
}

/** `x` is contiguous. The result has `outputs` as its last two sizes. */
export function separableAverage(x: Tensor, outputs: Shape, backward: boolean): Tensor {
  const lead = x.sizes.slice(0, -2);
  const [h, w] = x.sizes.slice(-2);
  const [oh, ow] = outputs;
  const planes = planesOf(x, 2);
  const shares: [Share, Share] = [shareOf(h, oh), shareOf(w, ow)];
  const out = allocate(x.dtype, [...lead, oh, ow]);
  if (backward) {
    const wide = allocate(x.dtype, [...lead, h, ow]);
    run(x, wide, planes, shares, { along: "columns", divide: "seen" });
    run(wide, out, planes, shares, { along: "rows", divide: null });
  } else {
    const low = allocate(x.dtype, [...lead, oh, w]);
    run(x, low, planes, shares, { along: "rows", divide: null });
    run(low, out, planes, shares, { along: "columns", divide: "own" });
  }
  return out;
}
