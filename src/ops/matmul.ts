/** Products of matrices. */
import { RuntimeError } from "../errors.ts";
import { Axis, accumulator, type ComputeType, computeType, constant, type Expr, load, param } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { Tensor } from "../tensor.ts";
import { primitive } from "./define/primitive.ts";
import { legacyName } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import { KernelCache, launch } from "./launch.ts";
import { allocate } from "./row.ts";

const cache = new KernelCache<string>();

/** Stride classes 0 and 1 are compiled in, others are parameters. */
function strideText(strides: readonly number[]): string {
  return strides.map((s) => (s === 0 ? "0" : s === 1 ? "1" : "s")).join("");
}

/** `out[b, m, n] = Σ_k a[b, m, k] · b[b, k, n]` over strided operands of rank 3, given as [batch, row, column] strides. */
function multiplyInto(
  out: Tensor,
  a: Tensor,
  aStrides: readonly number[],
  b: Tensor,
  bStrides: readonly number[],
  sizes: { readonly batch: number; readonly m: number; readonly n: number; readonly k: number },
  outStrides: readonly number[],
): void {
  const type: ComputeType = computeType(out.dtype.name);
  const all = [aStrides, bStrides, outStrides];
  const make = (): Kernel => {
    const types: ComputeType[] = [];
    const next = (): Expr => {
      types.push("i32");
      return param("i32", types.length - 1);
    };
    const [batch, m, n, k] = ["b", "m", "n", "k"].map((name) => new Axis(name, next()));
    const groups = [
      [batch, m, k],
      [batch, k, n],
      [batch, m, n],
    ];
    const [ia, ib, io] = all.map((strides, operand) =>
      strides.reduce(
        (index, s, i) => {
          if (s === 0) return index;
          const at = groups[operand][i].index;
          return index.add(s === 1 ? at : at.mul(next()));
        },
        constant("i32", 0),
      ),
    );
    return {
      form: "contraction",
      name: "matmul",
      buffers: [a, b, out].map((t, i) => ({ dtype: t.dtype.name, access: i < 2 ? "read" : "write" })),
      params: types,
      batch: [batch],
      m: [m],
      n: [n],
      k: [k],
      a: load(computeType(a.dtype.name), 0, ia).cast(type),
      b: load(computeType(b.dtype.name), 1, ib).cast(type),
      accumulate: type,
      stores: [{ buffer: 2, index: io, value: accumulator(type) }],
    };
  };
  const key = `${a.dtype.id},${b.dtype.id},${out.dtype.id}:${all.map(strideText).join()}`;
  const params = [sizes.batch, sizes.m, sizes.n, sizes.k];
  for (const strides of all) for (const s of strides) if (s > 1) params.push(s);
  launch(cache.get(key, make), [a, b, out], params);
}

const mmOp = primitive<null>({
  name: "mm",
  compute: ([a, b]) => {
    const [m, k] = a.sizes;
    const n = b.sizes[1];
    const out = allocate(a.dtype, [m, n]);
    if (out.count > 0) multiplyInto(out, a, [0, ...a.strides], b, [0, ...b.strides], { batch: 1, m, n, k }, [0, n, 1]);
    return out;
  },
  gradient: (g, context) => [
    context.needs(0) ? g.mm(context.input(1).t()) : null,
    context.needs(1) ? context.input(0).t().mm(g) : null,
  ],
  saves: [[1], [0]],
});

/** The product of two matrices: (m × k) · (k × n) gives (m × n). */
export function mm(self: Tensor, mat2: Tensor, options?: { out?: Tensor }): Tensor {
  const [a, b, out] = bind("mm(Tensor self, Tensor mat2, *, Tensor? out=None)", [self, mat2, options]) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  if (a.sizes.length !== 2) throw new RuntimeError("self must be a matrix");
  if (b.sizes.length !== 2) throw new RuntimeError("mat2 must be a matrix");
  if (a.sizes[1] !== b.sizes[0]) {
    throw new RuntimeError(`mat1 and mat2 shapes cannot be multiplied (${a.sizes.join("x")} and ${b.sizes.join("x")})`);
  }
  if (a.dtype !== b.dtype) {
    throw new RuntimeError(
      `expected m1 and m2 to have the same dtype, but got: ${legacyName(a.dtype)} != ${legacyName(b.dtype)}`,
    );
  }
  const result = mmOp([a, b], null);
  return out === null ? result : out.copyResult_(result);
}
