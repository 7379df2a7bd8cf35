/** Products of matrices of 8-bit integers. */
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { contract } from "./define/contraction.ts";
import { intoOut } from "./define/out.ts";
import { type PrimitiveCall, primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import type { ProductOptions } from "./matmul.ts";
import { allocate } from "./row.ts";

const intOp: PrimitiveCall<null> = primitive<null>({
  name: "_int_mm",
  compute: ([a, b]) => {
    const [m, k] = a.sizes;
    const n = b.sizes[1];
    const out = allocate(dt.int32, [m, n]);
    if (out.count === 0) return out;
    contract({
      name: "_int_mm",
      sizes: { batch: [], m: [m], n: [n], k: [k] },
      a: { tensor: a, m: [a.strides[0]], k: [a.strides[1]] },
      b: { tensor: b, k: [b.strides[0]], n: [b.strides[1]] },
      out: { tensor: out, m: [n], n: [1] },
    });
    return out;
  },
});

/** The product of two matrices of 8-bit integers, as int32: `self` (m × k) is int8 or uint8, `mat2` (k × n) int8. */
export function _int_mm(self: Tensor, mat2: Tensor, options?: ProductOptions): Tensor {
  const [a, b, out] = bind("_int_mm(Tensor self, Tensor mat2, *, Tensor? out=None)", [self, mat2, options]) as [
    Tensor,
    Tensor,
    Tensor | null,
  ];
  const fail = (reason: string): never => {
    throw new RuntimeError(`int_mm_out_cpu: ${reason}`);
  };
  for (const [name, x] of [
    ["self", a],
    ["mat2", b],
  ] as const)
    if (x.sizes.length !== 2) fail(`Expected ${name} to be of dimension 2 but got ${x.sizes.length}`);
  if (a.sizes[1] !== b.sizes[0])
    fail(`self.size(1) needs to match mat2.size(0) but got ${a.sizes[1]} and ${b.sizes[0]}`);
  if (a.dtype !== dt.int8 && a.dtype !== dt.uint8)
    fail(`Expected self dtype to be int8 or uint8 but got ${dt.cppTypeName(a.dtype)}`);
  if (b.dtype !== dt.int8) fail(`Expected mat2 dtype to be of type int8 but got ${dt.cppTypeName(b.dtype)}`);
  if (out !== null && out.dtype !== dt.int32)
    fail(`Expected result dtype to be of type kInt but got ${dt.cppTypeName(out.dtype)}`);
  return intoOut(out, intOp([a, b], null));
}
