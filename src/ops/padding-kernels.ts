/** Padding whose new elements are copies of old ones: where each element of the result comes from. */
import { Axis, type ComputeType, computeType, constant, type Expr, load, param } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { Tensor } from "../tensor.ts";
import { copied, fillWith } from "./copy.ts";
import { KernelCache, launch } from "./launch.ts";
import { allocate } from "./row.ts";

export type MirrorMode = "reflect" | "replicate" | "circular";

/** Padding of the last dimensions: for each, elements added before (negative: cut off) and the resulting size. */
export interface MirrorPadding {
  readonly mode: MirrorMode;
  readonly before: readonly number[];
  readonly sizes: readonly number[];
}

const cache = new KernelCache<string>();

/** The position in a dimension of `size` elements of what stands `at` elements after its first, which may be outside. */
function sourcePosition(mode: MirrorMode, at: Expr, size: Expr): Expr {
  const last = size.sub(1);
  if (mode === "replicate") return at.max(0).min(last);
  if (mode === "circular") {
    const wrapped = at.lt(0).select(at.add(size), at);
    return wrapped.ge(size).select(wrapped.sub(size), wrapped);
  }
  const folded = at.max(at.neg());
  const beyond = last.sub(folded);
  return last.sub(beyond.max(beyond.neg()));
}

/**
 * Kernels over (row, …position in the padded dimensions). `gather` copies to the padded tensor, otherwise the padded one
 * is added up into the other.
 */
function makeKernel(mode: MirrorMode, dims: number, gather: boolean, dtype: Tensor["dtype"]): Kernel {
  const types: ComputeType[] = [];
  const next = (): Expr => {
    types.push("i32");
    return param("i32", types.length - 1);
  };
  const rows = new Axis("row", next());
  const axes = Array.from({ length: dims }, (_, d) => new Axis(`o${d}`, next()));
  const inner = axes.map(() => next());
  const before = axes.map(() => next());
  let outside: Expr = rows.index;
  let inside: Expr = rows.index;
  axes.forEach((axis, d) => {
    outside = outside.mul(axis.size).add(axis.index);
    inside = inside.mul(inner[d]).add(sourcePosition(mode, axis.index.sub(before[d]), inner[d]));
  });
  const type = computeType(dtype.name);
  const common = { name: `${mode}_pad`, params: types };
  if (gather) {
    return {
      ...common,
      form: "row",
      buffers: [
        { dtype: dtype.name, access: "read" },
        { dtype: dtype.name, access: "write" },
      ],
      outer: [rows, ...axes],
      inner: [],
      stages: [{ kind: "store", over: "outer", buffer: 1, index: outside, value: load(type, 0, inside) }],
    };
  }
  return {
    ...common,
    form: "scatter",
    buffers: [
      { dtype: dtype.name, access: "read" },
      { dtype: dtype.name, access: "readwrite" },
    ],
    axes: [rows, ...axes],
    mode: "add",
    buffer: 1,
    index: inside.add(constant("i32", 0)),
    value: load(type, 0, outside),
  };
}

function run(from: Tensor, to: Tensor, inner: Tensor, { mode, before, sizes }: MirrorPadding, gather: boolean): void {
  const dims = sizes.length;
  const rows = inner.sizes.slice(0, inner.sizes.length - dims).reduce((n, s) => n * s, 1);
  const kernel = cache.get(`${mode}:${dims}:${gather}:${from.dtype.id}`, () =>
    makeKernel(mode, dims, gather, from.dtype),
  );
  launch(kernel, [from, to], [rows, ...sizes, ...inner.sizes.slice(inner.sizes.length - dims), ...before]);
}

const compact = (x: Tensor): Tensor =>
  x.contiguousLayout ? x : copied(x, { dtype: x.dtype, format: "contiguous_format" });

/** The padded tensor. */
export function mirrorPad(x: Tensor, padding: MirrorPadding): Tensor {
  const lead = x.sizes.slice(0, x.sizes.length - padding.sizes.length);
  const out = allocate(x.dtype, [...lead, ...padding.sizes]);
  if (out.count > 0) run(compact(x), out, x, padding, true);
  return out;
}

/** The gradient of what was padded: sums over the copies of each element. */
export function mirrorPadBackward(g: Tensor, sizes: readonly number[], padding: MirrorPadding): Tensor {
  const out = allocate(g.dtype, sizes);
  fillWith(out, 0);
  if (g.count > 0) run(compact(g), out, out, padding, false);
  return out;
}
