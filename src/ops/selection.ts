/** Ops that choose between values: where, masks, limits, and the greater or smaller of two. */

import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { constant, type Expr } from "../ir/expr.ts";
import { Tensor } from "../tensor.ts";
import { zerosLike } from "./copy.ts";
import { type BinaryFunction, binary } from "./define/binary.ts";
import { type PointwiseContext, PointwiseOp, type PointwiseSpec } from "./define/pointwise.ts";
import { type Operand, resultType } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import { type OutOption, withoutInplace } from "./define/unary.ts";
import { requireFits } from "./kernels/guards.ts";

const whereOp: PointwiseOp = new PointwiseOp({
  name: "where",
  operandNames: ["condition", "self", "other"],
  operands: 3,
  raw: [0],
  kernel: ([condition, a, b]) => condition.cast("bool").select(a, b),
  gradients: [
    null,
    (g, c) => whereOp.call([c.operand(0), g, 0], { compute: g.dtype }),
    (g, c) => whereOp.call([c.operand(0), 0, g], { compute: g.dtype }),
  ],
  saves: [[], [0], [0]],
});

interface Where {
  (condition: Tensor): Tensor[];
  (condition: Tensor, self: Operand, other: Operand, options?: OutOption): Tensor;
  readonly method: (this: Tensor, condition: Tensor, other: Operand) => Tensor;
}

/** `self` where `condition` is true, else `other`. With the condition alone: the indices of its true elements. */
export const where: Where = Object.assign(selectWhere as (condition: Tensor, ...rest: unknown[]) => never, {
  method(this: Tensor, condition: Tensor, other: Operand): Tensor {
    return selectWhere(condition, this, other) as Tensor;
  },
});

interface Nonzero {
  nonzero(options: { as_tuple: true }): Tensor[];
}

function selectWhere(...args: unknown[]): Tensor | Tensor[] {
  if (args.length === 1) {
    const [condition] = bind("where(Tensor condition)", args) as [Tensor];
    return (condition as unknown as Nonzero).nonzero({ as_tuple: true });
  }
  const [condition, a, b, out] = bind(
    "where(Tensor condition, Operand input, Operand other, *, Tensor? out=None)",
    args,
  ) as [Tensor, Operand, Operand, Tensor | null];
  if (condition.dtype !== dt.bool && condition.dtype !== dt.uint8) {
    throw new RuntimeError(
      `where expected condition to be a boolean tensor, but got a tensor with dtype ${dt.scalarTypeName(condition.dtype)}`,
    );
  }
  return whereOp.call([condition, a, b], { compute: resultType([a, b]), out });
}

const maskedFillOp: PointwiseOp = new PointwiseOp({
  name: "masked_fill",
  operandNames: ["self", "mask", "value"],
  overload: ([, , value]) => (value ? 0 : 1),
  operands: 3,
  raw: [1],
  kernel: ([x, mask, value]) => mask.select(value, x),
  gradients: [
    (g, c) => maskedFillOp.call([g, c.operand(1), 0], { compute: g.dtype }),
    null,
    (g, c) => whereOp.call([c.operand(1), g, 0], { compute: g.dtype }),
  ],
  saves: [[1], [], [1]],
});

function maskedFillOperands(self: Tensor, mask: Tensor, value: Operand): Operand[] {
  if (mask.dtype !== dt.bool) {
    throw new RuntimeError(`masked_fill_ only supports boolean masks, but got mask with dtype ${mask.dtype.name}`);
  }
  if (value instanceof Tensor) {
    if (value.sizes.length > 0) {
      throw new RuntimeError(
        `masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ${value.sizes.length} dimension(s).`,
      );
    }
  } else requireFits(value, self.dtype);
  return [self, mask, value];
}

interface MaskedFill {
  (self: Tensor, mask: Tensor, value: Operand | { value: Operand }): Tensor;
  readonly inplace: (self: Tensor, mask: Tensor, value: Operand | { value: Operand }) => Tensor;
}

/** `value` (a number or a 0-dimensional tensor) where `mask` is true, else this tensor. */
export const masked_fill: MaskedFill = Object.assign(
  (self: Tensor, mask: Tensor, value: Operand | { value: Operand }): Tensor => {
    const [x, m, v] = bind("masked_fill(Tensor input, Tensor mask, Operand value)", [self, mask, value]) as [
      Tensor,
      Tensor,
      Operand,
    ];
    return maskedFillOp.call(maskedFillOperands(x, m, v), { compute: x.dtype });
  },
  {
    inplace: (self: Tensor, mask: Tensor, value: Operand | { value: Operand }): Tensor => {
      const [x, m, v] = bind("masked_fill_(Tensor self, Tensor mask, Operand value)", [self, mask, value]) as [
        Tensor,
        Tensor,
        Operand,
      ];
      return maskedFillOp.callInplace(maskedFillOperands(x, m, v), { compute: x.dtype });
    },
  },
);

const fillSpec: PointwiseSpec = {
  name: "fill",
  operands: 2,
  kernel: ([, value]) => value,
  gradients: [(g) => zerosLike(g), (g) => g],
};
// PyTorch numbers the overloads: a number, a tensor; then the same in place.
const fillOp = new PointwiseOp({ ...fillSpec, overload: ([, number]) => (number ? 0 : 1) });
const fillWithNumberOp = new PointwiseOp({ ...fillSpec, nodeName: "FillBackward2", allowsOverlap: true });
const fillWithTensorOp = new PointwiseOp({ ...fillSpec, nodeName: "FillBackward3" });

function fillOperands(self: Tensor, value: Operand): Operand[] {
  if (value instanceof Tensor) {
    if (value.sizes.length > 0) {
      throw new RuntimeError(
        `fill_ only supports 0-dimension value tensor but got tensor with ${value.sizes.length} dimensions.`,
      );
    }
  } else requireFits(value, self.dtype);
  return [self, value];
}

interface Fill {
  (self: Tensor, value: Operand | { value: Operand }): Tensor;
  readonly inplace: (self: Tensor, value: Operand | { value: Operand }) => Tensor;
}

/** A tensor of this shape and dtype with every element `value`, a number or a 0-dimensional tensor. */
export const fill: Fill = Object.assign(
  (self: Tensor, value: Operand | { value: Operand }): Tensor => {
    const [x, v] = bind("fill(Tensor input, Operand value)", [self, value]) as [Tensor, Operand];
    return fillOp.call(fillOperands(x, v), { compute: x.dtype });
  },
  {
    inplace: (self: Tensor, value: Operand | { value: Operand }): Tensor => {
      const [x, v] = bind("fill_(Tensor self, Operand value)", [self, value]) as [Tensor, Operand];
      return (v instanceof Tensor ? fillWithTensorOp : fillWithNumberOp).callInplace(fillOperands(x, v), {
        compute: x.dtype,
      });
    },
  },
);

const zeroOp = new PointwiseOp({
  name: "zero",
  allowsOverlap: true,
  operands: 1,
  kernel: ([x]) => constant(x.type, 0),
  gradients: [(g) => zerosLike(g)],
});

/** Sets every element to 0. */
export function zero_(self: Tensor): Tensor {
  const [x] = bind("zero_(Tensor self)", [self]) as [Tensor];
  return zeroOp.callInplace1(x);
}

/** The bounds that a variant of clamp has, in the order of its operands. */
type ClampVariant = "both" | "min" | "max";

function clampKernel(x: Expr, bounds: readonly Expr[], variant: string): Expr {
  if (variant === "both") return x.max(bounds[0]).min(bounds[1]);
  return variant === "min" ? x.max(bounds[0]) : x.min(bounds[0]);
}

const clampSpec: PointwiseSpec = {
  name: "clamp",
  operandNames: ["self", "min", "max"],
  overload: ([, ...bounds]) => (bounds.includes(true) ? 1 : 0),
  operands: 3,
  kernel: ([x, ...bounds], _, { variant, type }) => {
    // Bounds of bool tensors are bool themselves.
    if (type !== "bool") return clampKernel(x, bounds, variant);
    const whole = bounds.map((b) => b.cast("i32"));
    return clampKernel(x.cast("i32"), whole, variant).cast("bool");
  },
  gradients: [
    (g, c) => {
      // The result does not depend on them smoothly: it requires a gradient only where `g` does.
      const operands = operandsOf(c).map((x) => (x instanceof Tensor ? x.detach() : x));
      const kind = operands.slice(1).some((bound) => bound instanceof Tensor) ? "tensors" : "numbers";
      return clampBackwardOp.call([g, ...operands], { variant: `${c.variant} ${kind}`, compute: g.dtype });
    },
    (g, c) => boundGradient(g, c, c.variant === "max" ? "max" : "min"),
    (g, c) => boundGradient(g, c, "max"),
  ],
  saves: [
    [0, 1, 2],
    [0, 1, 2],
    [0, 1, 2],
  ],
};
const clampOp: PointwiseOp = new PointwiseOp(clampSpec);
const oneBound = (name: string): PointwiseOp =>
  new PointwiseOp({ ...clampSpec, name, overload: ([, bound]) => (bound ? 0 : 1) });
const clampMinOp = oneBound("clamp_min");
const clampMaxOp = oneBound("clamp_max");

function operandsOf(c: PointwiseContext): Operand[] {
  const list = [c.operand(0), c.operand(1)];
  if (c.variant === "both") list.push(c.operand(2));
  return list;
}

/**
 * A bound that is a tensor gets the gradient where it decides, and shares it with the input where they are equal. Between two
 * that cross, the upper one decides.
 */
function boundGradient(g: Tensor, c: PointwiseContext, bound: "min" | "max"): Tensor {
  const x = c.tensor(0);
  const limit = c.tensor(c.variant === "both" && bound === "max" ? 2 : 1);
  if (c.variant !== "both") return extremeGradient(g, x, limit, bound === "min" ? x.gt(limit) : x.lt(limit));
  const passed = bound === "min" ? x.lt(limit) : x.gt(limit);
  const tie = where(x.eq(limit), g.div(2), 0);
  const [low, high] = [c.operand(1), c.operand(2)];
  if (bound === "min") return where(passed.logical_and(limit.le(high)), g, where(limit.lt(high), tie, 0));
  // A lower bound that is NaN lets nothing through to the upper one.
  return where(limit.lt(low), g, where(passed.logical_and(limit.ge(low)), g, where(limit.gt(low), tie, 0)));
}

/** The gradient of the input: with numbers as bounds nothing at the bounds, with tensors half of it. */
const clampBackwardOp: PointwiseOp = new PointwiseOp({
  name: "clamp_backward",
  operands: 4,
  kernel: ([g, x, first, second], _, { variant }) => {
    const zero = constant(g.type, 0);
    const [bounds, kind] = variant.split(" ");
    if (kind === "numbers") {
      const inside = bounds === "both" ? x.gt(first).and(x.lt(second)) : bounds === "min" ? x.gt(first) : x.lt(first);
      return inside.select(g, zero);
    }
    const half = g.mul(0.5);
    if (bounds === "min") return x.lt(first).select(zero, x.eq(first).select(half, g));
    if (bounds === "max") return x.gt(first).select(zero, x.eq(first).select(half, g));
    const tie = first.lt(second).and(x.eq(first).or(x.eq(second)));
    return x.lt(first).or(x.gt(second)).select(zero, tie.select(half, g));
  },
  gradients: [
    (gg, c) => {
      const rest = [c.operand(1), c.operand(2)];
      if (c.variant.startsWith("both")) rest.push(c.operand(3));
      return clampBackwardOp.call([gg, ...rest], { variant: c.variant, compute: gg.dtype });
    },
    null,
    null,
    null,
  ],
  saves: [[1, 2, 3]],
});

interface ClampCall {
  readonly operands: Operand[];
  readonly variant: ClampVariant;
}

function clampCall(name: string, x: Tensor, min: Operand | null, max: Operand | null): ClampCall {
  if (min === null && max === null)
    throw new RuntimeError(`torch.${name}: At least one of 'min' or 'max' must not be None`);
  if (min !== null && max !== null) return { operands: [x, min, max], variant: "both" };
  return min !== null ? { operands: [x, min], variant: "min" } : { operands: [x, max as Operand], variant: "max" };
}

/** Options of `clamp`. */
export interface ClampOptions extends OutOption {
  readonly min?: Operand | null;
  readonly max?: Operand | null;
}

interface Clamp {
  (
    self: Tensor,
    min?: Operand | null | ClampOptions,
    max?: Operand | null | ClampOptions,
    options?: ClampOptions,
  ): Tensor;
  readonly inplace: (self: Tensor, min?: Operand | null | ClampOptions, max?: Operand | null | ClampOptions) => Tensor;
}

function declareClamp(name: string): Clamp {
  const call = (
    self: Tensor,
    min?: Operand | null | ClampOptions,
    max?: Operand | null | ClampOptions,
    options?: ClampOptions,
  ): Tensor => {
    const [x, low, high, out] = bind(
      `${name}(Tensor input, Operand? min=None, Operand? max=None, *, Tensor? out=None)`,
      [self, min, max, options],
    ) as [Tensor, Operand | null, Operand | null, Tensor | null];
    const { operands, variant } = clampCall(name, x, low, high);
    return clampOp.call(operands, { variant, out });
  };
  const inplace = (self: Tensor, min?: Operand | null | ClampOptions, max?: Operand | null | ClampOptions): Tensor => {
    const [x, low, high] = bind(`${name}_(Tensor self, Operand? min=None, Operand? max=None)`, [self, min, max]) as [
      Tensor,
      Operand | null,
      Operand | null,
    ];
    const { operands, variant } = clampCall(name, x, low, high);
    return clampOp.callInplace(operands, { variant });
  };
  return Object.assign(call, { inplace });
}

/** Each element limited to [min, max]; each bound a number or a tensor. */
export const clamp: Clamp = declareClamp("clamp");
export const clip: Clamp = declareClamp("clip");

interface OneBound {
  (self: Tensor, bound: Operand | ClampOptions, options?: OutOption): Tensor;
  readonly inplace: (self: Tensor, bound: Operand | ClampOptions) => Tensor;
}

function declareOneBound(bound: "min" | "max"): OneBound {
  const name = `clamp_${bound}`;
  const op = bound === "min" ? clampMinOp : clampMaxOp;
  const call = (self: Tensor, limit: Operand | ClampOptions, options?: OutOption): Tensor => {
    const [x, b, out] = bind(`${name}(Tensor input, Operand ${bound}, *, Tensor? out=None)`, [
      self,
      limit,
      options,
    ]) as [Tensor, Operand, Tensor | null];
    return op.call([x, b], { variant: bound, out });
  };
  const inplace = (self: Tensor, limit: Operand | ClampOptions): Tensor => {
    const [x, b] = bind(`${name}_(Tensor self, Operand ${bound})`, [self, limit]) as [Tensor, Operand];
    return op.callInplace([x, b], { variant: bound });
  };
  return Object.assign(call, { inplace });
}

/** Each element, but at least `min`. */
export const clamp_min: OneBound = declareOneBound("min");
/** Each element, but at most `max`. */
export const clamp_max: OneBound = declareOneBound("max");

/** For an op that takes one of two: the gradient of an operand; ties share it. `loses`: the other one was taken. */
function extremeGradient(g: Tensor, a: Tensor, b: Tensor, loses: Tensor): Tensor {
  return where(a.eq(b), g.div(2), g).masked_fill(loses, 0);
}

const minMax =
  (op: "min" | "max") =>
  (a: Expr, b: Expr, _: unknown, { type }: { type: string }) => {
    if (type === "bool") return op === "max" ? a.or(b) : a.and(b);
    return op === "max" ? a.max(b) : a.min(b);
  };

const BOTH = [
  [0, 1],
  [0, 1],
] as const;

/** The greater of two elements; NaN if either is NaN. */
export const maximum: BinaryFunction = withoutInplace(
  binary("maximum", {
    kernel: minMax("max"),
    gradients: [
      (g, c) => extremeGradient(g, c.tensor(0), c.tensor(1), c.tensor(0).lt(c.tensor(1))),
      (g, c) => extremeGradient(g, c.tensor(0), c.tensor(1), c.tensor(0).gt(c.tensor(1))),
    ],
    saves: BOTH,
    tensorsOnly: true,
  }),
);
/** The smaller of two elements; NaN if either is NaN. */
export const minimum: BinaryFunction = withoutInplace(
  binary("minimum", {
    kernel: minMax("min"),
    gradients: [
      (g, c) => extremeGradient(g, c.tensor(0), c.tensor(1), c.tensor(0).gt(c.tensor(1))),
      (g, c) => extremeGradient(g, c.tensor(0), c.tensor(1), c.tensor(0).lt(c.tensor(1))),
    ],
    saves: BOTH,
    tensorsOnly: true,
  }),
);

const ignoringNaN = (op: "min" | "max") => (a: Expr, b: Expr, scalars: unknown, info: { type: string }) => {
  const both = minMax(op)(a, b, scalars, info);
  return a.isFloat ? a.isnan().select(b, b.isnan().select(a, both)) : both;
};

/** The greater of two elements; a NaN loses. */
export const fmax: BinaryFunction = withoutInplace(
  binary("fmax", {
    kernel: ignoringNaN("max"),
    gradients: [
      (g, c) => extremeGradient(g, c.tensor(0), c.tensor(1), c.tensor(0).lt(c.tensor(1))),
      (g, c) => extremeGradient(g, c.tensor(0), c.tensor(1), c.tensor(0).gt(c.tensor(1))),
    ],
    saves: BOTH,
    tensorsOnly: true,
  }),
);
/** The smaller of two elements; a NaN loses. */
export const fmin: BinaryFunction = withoutInplace(
  binary("fmin", {
    kernel: ignoringNaN("min"),
    gradients: [
      (g, c) => extremeGradient(g, c.tensor(0), c.tensor(1), c.tensor(0).gt(c.tensor(1))),
      (g, c) => extremeGradient(g, c.tensor(0), c.tensor(1), c.tensor(0).lt(c.tensor(1))),
    ],
    saves: BOTH,
    tensorsOnly: true,
  }),
);

const nanToNumOp = new PointwiseOp({
  name: "nan_to_num",
  operands: 1,
  scalars: { nan: 0, posinf: Number.POSITIVE_INFINITY, neginf: Number.NEGATIVE_INFINITY },
  kernel: ([x], { nan, posinf, neginf }) => {
    if (!x.isFloat) return x;
    const finite = x.eq(Number.POSITIVE_INFINITY).select(posinf, x.eq(Number.NEGATIVE_INFINITY).select(neginf, x));
    return x.isnan().select(nan, finite);
  },
  gradients: [(g, c) => where(c.tensor(0).isfinite(), g, 0)],
  saves: [[0]],
});

/** Options of `nan_to_num`. */
export interface NanToNumOptions extends OutOption {
  /** For NaN. Default 0. */
  readonly nan?: number | null;
  /** For infinity. Default: the greatest number of the dtype. */
  readonly posinf?: number | null;
  /** For negative infinity. Default: the least number of the dtype. */
  readonly neginf?: number | null;
}

const greatest: Readonly<Record<string, number>> = {
  float16: 65504,
  bfloat16: 3.3895313892515355e38,
  float32: 3.4028234663852886e38,
  float64: Number.MAX_VALUE,
};

function nanScalars(dtype: DType, nan: number | null, posinf: number | null, neginf: number | null) {
  const limit = greatest[dtype.name] ?? 0;
  return { nan: nan ?? 0, posinf: posinf ?? limit, neginf: neginf ?? -limit };
}

type NanArgument = number | null | NanToNumOptions;

interface NanToNum {
  (self: Tensor, nan?: NanArgument, posinf?: NanArgument, neginf?: NanArgument, options?: NanToNumOptions): Tensor;
  readonly inplace: (self: Tensor, nan?: NanArgument, posinf?: NanArgument, neginf?: NanArgument) => Tensor;
}

/** Replaces NaN and the infinities by numbers. */
export const nan_to_num: NanToNum = Object.assign(
  (self: Tensor, nan?: NanArgument, posinf?: NanArgument, neginf?: NanArgument, options?: NanToNumOptions): Tensor => {
    const [x, n, p, m, out] = bind(
      "nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None, *, Tensor? out=None)",
      [self, nan, posinf, neginf, options],
    ) as [Tensor, number | null, number | null, number | null, Tensor | null];
    return nanToNumOp.call([x], { scalars: nanScalars(x.dtype, n, p, m), out });
  },
  {
    inplace: (self: Tensor, nan?: NanArgument, posinf?: NanArgument, neginf?: NanArgument): Tensor => {
      const [x, n, p, m] = bind("nan_to_num_(Tensor self, float? nan=None, float? posinf=None, float? neginf=None)", [
        self,
        nan,
        posinf,
        neginf,
      ]) as [Tensor, number | null, number | null, number | null];
      return nanToNumOp.callInplace([x], { scalars: nanScalars(x.dtype, n, p, m) });
    },
  },
);
