/** Splitting numbers into mantissa and exponent. */

import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { computeType, constant, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor.ts";
import { sameForAll } from "./define/batch.ts";
import { type NamedTensors, namedTensors } from "./define/named.ts";
import { intoOut } from "./define/out.ts";
import { primitiveMany } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { allocate, runRow } from "./row.ts";

const named = namedTensors("frexp", ["mantissa", "exponent"]);

/** The exponent field of |x|, with subnormal numbers scaled into the normal range first. */
function exponentOf(x: Expr): { scaled: Expr; exponent: Expr } {
  const wide = x.type === "f64";
  const [bias, shift, mask, lift] = wide ? [1022, 52, 2047, 54] : [126, 23, 255, 25];
  const smallest = wide ? 2 ** -1022 : 2 ** -126;
  const isSmall = x.abs().lt(smallest);
  const scaled = isSmall.select(x.mul(2 ** lift), x);
  const field = scaled
    .bitcast(wide ? "i64" : "i32")
    .shru(shift)
    .and(mask)
    .cast("i32");
  const exponent = field.sub(bias).sub(isSmall.select(constant("i32", lift), constant("i32", 0)));
  return { scaled, exponent };
}

const frexpOp = primitiveMany<null>({
  name: "frexp",
  batch: sameForAll,
  compute: ([x]) => {
    const mantissa = allocate(x.dtype, x.sizes);
    const exponent = allocate(dt.int32, x.sizes);
    const type = computeType(x.dtype.name);
    runRow({
      name: "frexp",
      key: "frexp",
      outer: x.sizes,
      inner: [],
      operands: [
        { tensor: x, outer: x.strides, inner: [] },
        { tensor: mantissa, outer: mantissa.strides, inner: [] },
        { tensor: exponent, outer: exponent.strides, inner: [] },
      ],
      outputs: 2,
      build: ([v], row) => {
        const { scaled, exponent: e } = exponentOf(v);
        const wide = type === "f64";
        // 0.5 ≤ |mantissa| < 1: the same fraction and sign under the exponent of 0.5.
        const bits = scaled.bitcast(wide ? "i64" : "i32");
        const shift = wide ? 52 : 23;
        const field = constant(bits.type, wide ? 2047n << 52n : 0x7f800000);
        const half = constant(bits.type, wide ? 1022n : 126).shl(shift);
        const fraction = bits.and(field.not()).or(half).bitcast(type);
        // Zeros, infinities and NaN are their own mantissa, with exponent 0.
        const special = v.eq(0).or(v.sub(v).ne(0));
        row.store(1, special.select(v, fraction));
        row.store(2, special.select(constant("i32", 0), e));
      },
    });
    return [mantissa, exponent];
  },
  gradient: (g, c) => [g.div(c.output(1).exp2())],
  saves: [[1001]],
  differentiableOutputs: [true, false],
});

/** Mantissa in [0.5, 1) and int32 exponent, `self = mantissa · 2^exponent`. */
export function frexp(
  self: Tensor,
  options?: { readonly out?: readonly [Tensor, Tensor] },
): NamedTensors<"mantissa" | "exponent"> {
  const [x, out] = bind("frexp(Tensor self, *, Tensor[]? out=None)", [self, options]) as [Tensor, Tensor[] | null];
  if (!x.dtype.is_floating_point) throw new RuntimeError("torch.frexp() only supports floating-point dtypes");
  const results = frexpOp([x], null);
  return named(out === null ? results : results.map((r, i) => intoOut(out[i], r)));
}
