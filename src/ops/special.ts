/** Error functions, gamma functions, Bessel functions, and relatives of the logistic function. */
import { isRecording } from "../context/grad-mode.ts";
import { RuntimeError } from "../errors.ts";
import { constant, type Expr } from "../ir/expr.ts";
import type { Tensor } from "../tensor.ts";
import { sigmoidBackward } from "./activation-gradients.ts";
import { type Binary, binary } from "./define/binary.ts";
import { intoOut, requireCast } from "./define/out.ts";
import { PointwiseOp } from "./define/pointwise.ts";
import { bind } from "./define/schema.ts";
import { type OutOption, type Unary, unary } from "./define/unary.ts";

const promote = "int_to_float";

/** The logistic function, `1 / (1 + exp(-x))`. */
export const sigmoid: Unary = unary("sigmoid", {
  kernel: (x) => x.fn("sigmoid"),
  gradFromResult: sigmoidBackward,
  promote,
});

const logitOp = new PointwiseOp({
  name: "logit",
  operands: 1,
  promote,
  scalars: { eps: -1 },
  // A negative eps stands for none: no clamping, and NaN outside of [0, 1].
  kernel: ([x], { eps }) => {
    const one = constant(x.type, 1);
    const z = eps.lt(0).select(x, x.lt(eps).select(eps, x.gt(one.sub(eps)).select(one.sub(eps), x)));
    return z.div(one.sub(z)).log();
  },
  gradients: [
    (g, c) =>
      isRecording()
        ? logitGradient(g, c.tensor(0), Number(c.scalars.eps))
        : logitBackwardOp.call([g, c.operand(0)], { scalars: c.scalars }),
  ],
  saves: [[0]],
});

/** The gradient at one element; NaN or, with bounds, 0 outside of the domain. */
const logitBackwardOp = new PointwiseOp({
  name: "logit_backward",
  operands: 2,
  scalars: { eps: -1 },
  kernel: ([g, x], { eps }) => {
    const one = constant(x.type, 1);
    const none = eps.lt(0);
    const low = none.select(constant(x.type, 0), eps);
    const outside = x.lt(low).or(x.gt(one.sub(low)));
    const fallback = none.select(constant(x.type, Number.NaN), constant(x.type, 0));
    return outside.select(fallback, g.div(x.mul(one.sub(x))));
  },
});

/** The same, made of ops that can be differentiated. */
function logitGradient(g: Tensor, x: Tensor, eps: number): Tensor {
  const low = Math.max(0, eps);
  const inside = x.ge(low).logical_and(x.le(1 - low));
  return g.div(x.mul(x.neg().add(1))).masked_fill(inside.logical_not(), eps < 0 ? Number.NaN : 0);
}

/** Options of `logit`. */
export interface LogitOptions extends OutOption {
  /** Clamps the input to [eps, 1 - eps]. Default: no clamping, and NaN outside of [0, 1]. */
  readonly eps?: number | null;
}

interface Logit {
  (self: Tensor, eps?: number | null | LogitOptions, options?: LogitOptions): Tensor;
  readonly inplace: (self: Tensor, eps?: number | null | Omit<LogitOptions, "out">) => Tensor;
}

/** Inverse of `sigmoid`: `log(x / (1 - x))`. */
export const logit: Logit = Object.assign(
  (self: Tensor, eps?: number | null | LogitOptions, options?: LogitOptions): Tensor => {
    const [x, e, out] = bind("logit(Tensor input, float? eps=None, *, Tensor? out=None)", [self, eps, options]) as [
      Tensor,
      number | null,
      Tensor | null,
    ];
    return logitOp.call([x], { scalars: { eps: e ?? -1 }, out });
  },
  {
    inplace: (self: Tensor, eps?: number | null | Omit<LogitOptions, "out">): Tensor => {
      const [x, e] = bind("logit_(Tensor self, float? eps=None)", [self, eps]) as [Tensor, number | null];
      return logitOp.callInplace([x], { scalars: { eps: e ?? -1 } });
    },
  },
);

/** `self * log(other)`, and 0 where `self` is 0. */
export const xlogy: Binary = binary("xlogy", {
  overload: ([first, second]) => (first ? 1 : second ? 2 : 0),
  promote,
  kernel: (x, y) => y.isnan().select(y, x.eq(0).select(constant(x.type, 0), x.mul(y.log()))),
  gradients: [
    (g, c) => {
      const both = xlogy(g, c.operand(1));
      const [x, y] = [c.tensor(0), c.operand(1)];
      const zero = typeof y === "object" ? x.eq(0).logical_and(y.le(0)) : Number(y) <= 0 ? x.eq(0) : null;
      return zero === null ? both : both.masked_fill(zero, 0);
    },
    (g, c) => g.mul(c.operand(0)).div(c.operand(1)),
  ],
  saves: [
    [0, 1],
    [0, 1],
  ],
});

/** Error function. */
export const erf: Unary = unary("erf", {
  kernel: (x) => x.fn("erf"),
  grad: (g, x) =>
    x
      .pow(2)
      .neg()
      .exp()
      .mul(2 / Math.sqrt(Math.PI))
      .mul(g),
  promote,
});
/** `1 - erf(x)`, exact also for large x. */
export const erfc: Unary = unary("erfc", {
  kernel: (x) => x.fn("erfc"),
  grad: (g, x) =>
    x
      .pow(2)
      .neg()
      .exp()
      .mul(-2 / Math.sqrt(Math.PI))
      .mul(g),
  promote,
});
/** Inverse of `erf` on (-1, 1). */
export const erfinv: Unary = unary("erfinv", {
  kernel: (x) => x.fn("erfinv"),
  gradFromResult: (g, y) =>
    y
      .pow(2)
      .exp()
      .mul(Math.sqrt(Math.PI) / 2)
      .mul(g),
  promote,
});

/** Logarithm of the magnitude of the gamma function. */
export const lgamma: Unary = unary("lgamma", {
  kernel: (x) => x.fn("lgamma"),
  grad: (g, x) => g.mul(x.digamma()),
  promote,
});
/** Derivative of `lgamma`. */
export const digamma: Unary = unary("digamma", {
  kernel: (x) => x.fn("digamma"),
  grad: (g, x) => g.mul(polygamma(1, x)),
  promote,
});

/**
 * Derivative of digamma: reflection below 1/2, six steps of the recurrence, and the asymptotic series (Abramowitz and
 * Stegun, 6.4.6, 6.4.7, 6.4.12). In float32 the poles are as finite as the float32 sine of a multiple of π is not 0.
 */
function trigamma(x: Expr): Expr {
  const one = constant(x.type, 1);
  const reflected = x.lt(0.5);
  const sine = x.mul(Math.PI).fn("sin");
  let z = reflected.select(one.sub(x), x);
  let sum = reflected.select(
    constant(x.type, Math.PI ** 2)
      .div(sine.mul(sine))
      .neg(),
    0,
  );
  for (let k = 0; k < 6; k++) {
    sum = sum.add(one.div(z.mul(z)));
    z = z.add(1);
  }
  const w = one.div(z.mul(z));
  const series = one
    .add(one.div(z.mul(2)))
    .add(w.mul(constant(x.type, 1 / 6).sub(w.mul(constant(x.type, 1 / 30).sub(w.div(42))))));
  const result = sum.add(series.div(z));
  return reflected.select(result.neg(), result);
}

const polygammaOp: PointwiseOp = new PointwiseOp({
  name: "polygamma",
  operands: 1,
  promote,
  scalars: { n: 1, factor: 1 },
  // (-1)^(n+1) n! ζ(n + 1, x), with the factor before ζ given.
  kernel: ([x], { n, factor }, { variant }) =>
    variant === "trigamma" ? trigamma(x) : n.add(1).fn("zeta", x).mul(factor),
  gradients: [(g, c) => g.mul(polygamma(Number(c.scalars.n) + 1, c.tensor(0)))],
  saves: [[0]],
});

function polygammaOptions(n: number) {
  let factor = n % 2 === 0 ? -1 : 1;
  for (let k = 2; k <= n; k++) factor *= k;
  return { scalars: { n, factor }, variant: n === 1 ? "trigamma" : "" };
}

interface Polygamma {
  /** As a function the order comes first, as in PyTorch. */
  (n: number, self: Tensor, options?: OutOption): Tensor;
  readonly method: (this: Tensor, n: number) => Tensor;
  readonly inplace: (self: Tensor, n: number) => Tensor;
}

function checkOrder(n: number): void {
  if (n < 0) throw new RuntimeError("polygamma(n, x) does not support negative n.");
}

function polygammaCall(order: number, self: Tensor, options?: OutOption): Tensor {
  const [n, x, out] = bind("polygamma(int n, Tensor input, *, Tensor? out=None)", [order, self, options]) as [
    number,
    Tensor,
    Tensor | null,
  ];
  checkOrder(n);
  if (n === 0) return out === null ? digamma(x) : digamma(x, { out });
  return polygammaOp.call([x], { ...polygammaOptions(n), out });
}

/** The n-th derivative of `digamma`. */
export const polygamma: Polygamma = Object.assign(polygammaCall, {
  method(this: Tensor, n: number): Tensor {
    return polygammaCall(n, this);
  },
  inplace: (self: Tensor, n: number): Tensor => {
    const [x, order] = bind("polygamma_(Tensor self, int n)", [self, n]) as [Tensor, number];
    checkOrder(order);
    return order === 0 ? digamma.inplace(x) : polygammaOp.callInplace([x], polygammaOptions(order));
  },
});

interface Mvlgamma {
  (self: Tensor, p: number | { p: number }, options?: OutOption): Tensor;
  readonly inplace: (self: Tensor, p: number | { p: number }) => Tensor;
}

/** Logarithm of the multivariate gamma function of dimension `p`. */
export const mvlgamma: Mvlgamma = Object.assign(mvlgammaCall, {
  inplace: (self: Tensor, p: number | { p: number }): Tensor => {
    const result = mvlgammaCall(self, p);
    requireCast(result.dtype, self.dtype);
    return self.copy_(result);
  },
});

function mvlgammaCall(self: Tensor, p: number | { p: number }, options?: OutOption): Tensor {
  const [x, dimension, out] = bind("mvlgamma(Tensor input, int p, *, Tensor? out=None)", [self, p, options]) as [
    Tensor,
    number,
    Tensor | null,
  ];
  if (dimension < 1) throw new RuntimeError("p has to be greater than or equal to 1");
  // Adding 0 makes a negative zero positive.
  let sum = lgamma(x.add(0));
  for (let j = 1; j < dimension; j++) sum = sum.add(lgamma(x.add(-j / 2)));
  const result = sum.add((dimension * (dimension - 1) * Math.log(Math.PI)) / 4);
  return intoOut(out, result);
}

const i1Op: Unary = unary("special_i1", {
  kernel: (x) => x.fn("i1"),
  grad: (g, x) => {
    // The limit of i0(x) - i1(x) / x at 0 is 1/2.
    const zero = x.eq(0).logical_or(x.isnan());
    const safe = x.masked_fill(zero, 1);
    return g.mul(i0(safe).sub(i1Op(safe).div(safe)).masked_fill(zero, 0.5));
  },
  promote,
});

/** Modified Bessel function of the first kind, order 0. */
export const i0: Unary = unary("i0", { kernel: (x) => x.fn("i0"), grad: (g, x) => g.mul(i1Op(x)), promote });
