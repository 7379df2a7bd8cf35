/** The functions of float32 numbers, what they are exactly, and how far a result is from that. */

import type * as Kindling from "../../src/index.ts";
import { hostFunctions } from "../../src/ir/special.ts";

type Torch = typeof Kindling;
type Tensor = Kindling.Tensor;

export interface Checked {
  readonly compute: (x: Tensor) => Tensor;
  /** In float64, exact to 1e-13. */
  readonly exact: (x: number) => number;
}

const same = [
  ...["exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan"],
  ...["sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "sigmoid", "lgamma", "digamma", "i0"],
] as const;
type Same = "exp" | "log"; // Their types are alike.

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const GELU_TANH = Math.sqrt(2 / Math.PI);

export function functions(torch: Torch): Readonly<Record<string, Checked>> {
  const F = torch.nn.functional;
  const list: Record<string, Checked> = {};
  for (const name of same as readonly string[])
    list[name] = { compute: (x) => torch[name as Same](x), exact: (x) => hostFunctions[name as Same](x, 0) };
  for (const y of [2, 3, 0.5, -0.5, -1, 1.75, -3.25])
    list[`pow(${y})`] = { compute: (x) => x.pow(y), exact: (x) => hostFunctions.pow(x, y) };
  return {
    ...list,
    sqrt: { compute: torch.sqrt, exact: Math.sqrt },
    rsqrt: { compute: torch.rsqrt, exact: (x) => 1 / Math.sqrt(x) },
    reciprocal: { compute: torch.reciprocal, exact: (x) => 1 / x },
    gelu: { compute: (x) => F.gelu(x), exact: (x) => x * 0.5 * hostFunctions.erfc(-x / Math.SQRT2, 0) },
    gelu_tanh: {
      compute: (x) => F.gelu(x, { approximate: "tanh" }),
      exact: (x) => x / (1 + Math.exp(-2 * GELU_TANH * (x + 0.044715 * x ** 3))),
    },
    silu: { compute: (x) => F.silu(x), exact: (x) => x / (1 + Math.exp(-x)) },
    softplus: { compute: (x) => F.softplus(x), exact: (x) => (x > 20 ? x : softplus(x)) },
    mish: { compute: (x) => F.mish(x), exact: (x) => x * Math.tanh(softplus(x)) },
    logsigmoid: { compute: (x) => F.logsigmoid(x), exact: (x) => -softplus(-x) },
    elu: { compute: (x) => F.elu(x), exact: (x) => (x > 0 ? x : Math.expm1(x)) },
    softsign: { compute: (x) => F.softsign(x), exact: (x) => x / (1 + Math.abs(x)) },
  };
}

/** `got`'s distance from `exact` in units of the last place of a float32; ∞ where only one of them is NaN or infinite. */
export function ulps(got: number, exact: number): number {
  const rounded = Math.fround(exact);
  if (got === rounded || (Number.isNaN(got) && Number.isNaN(exact))) return 0;
  const size = Math.abs(exact);
  const exponent = size < 2 ** -126 ? -126 : Math.min(127, Math.floor(Math.log2(size)));
  const error = Math.abs(got - exact) / 2 ** (exponent - 23);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/** Every `step`-th float32 from the bit pattern `from` on, at most `count` of them. */
export function floats(from: number, step: number, count: number): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(Math.min(count, Math.ceil((2 ** 32 - from) / step)));
  for (let i = 0; i < bits.length; i++) bits[i] = from + i * step;
  return new Float32Array(bits.buffer);
}
