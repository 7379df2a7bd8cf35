/** Ops of two or three tensors that mix, limit the sign of, or accumulate into another. */
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { constant, type Expr } from "../ir/expr.ts";
import { Tensor } from "../tensor.ts";
import { zerosLike } from "./copy.ts";
import { type Binary, type BinaryFunction, binary } from "./define/binary.ts";
import { PointwiseOp } from "./define/pointwise.ts";
import type { Operand } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import { type OutOption, withoutInplace } from "./define/unary.ts";
import { withSignOf } from "./kernels/bits.ts";
import { notBool, onlyFloat } from "./kernels/guards.ts";

/** The magnitude of `self` with the sign of `other`, which zeros have too. */
export const copysign: Binary = binary("copysign", {
  overload: ([, number]) => (number ? 1 : 0),
  promote: "int_to_float",
  kernel: (a, b) => withSignOf(a, b),
  gradients: [(g, c) => g.mul(c.result.div(c.operand(0)).masked_fill(c.tensor(0).eq(0), 0)), (g) => zerosLike(g)],
  saves: [[0, "result"], []],
  tensorFirst: true,
});

/** The next number after `self` in the direction of `other`. */
export const nextafter: Binary = binary("nextafter", {
  kernel: (a, b) => a.fn("nextafter", b),
  gradients: [(g, c) => g.masked_fill(c.tensor(0).eq(c.tensor(1)), 0), (g) => zerosLike(g)],
  saves: [[0, 1], []],
  check: onlyFloat("nextafter_cpu"),
  tensorsOnly: true,
});

/** The step function: 0 below 0, 1 above, `values` at 0. */
export const heaviside: Binary = binary("heaviside", {
  kernel: (a, b) => {
    const zero = constant(a.type, 0);
    return a.eq(0).select(b, a.type === "bool" ? a : a.gt(0).select(constant(a.type, 1), zero));
  },
  guard: (inputs) => {
    if (inputs[0].dtype !== inputs[1].dtype) {
      throw new RuntimeError("heaviside is not yet implemented for tensors with different dtypes.");
    }
  },
  tensorsOnly: true,
});

function logAddExp(a: Expr, b: Expr, exp: "exp" | "exp2", scale: number): Expr {
  const same = a.eq(b).and(a.abs().eq(Number.POSITIVE_INFINITY));
  const tail = a.sub(b).abs().neg().fn(exp).fn("log1p");
  return same.select(a, a.max(b).add(scale === 1 ? tail : tail.mul(scale)));
}

/** `log(exp(self) + exp(other))`, without overflow. */
export const logaddexp: BinaryFunction = withoutInplace(
  binary("logaddexp", {
    kernel: (a, b) => logAddExp(a, b, "exp", 1),
    gradients: [
      (g, c) => g.div(c.tensor(1).sub(c.tensor(0)).exp().add(1)),
      (g, c) => g.div(c.tensor(0).sub(c.tensor(1)).exp().add(1)),
    ],
    saves: [
      [0, 1],
      [0, 1],
    ],
    check: onlyFloat("logaddexp_cpu"),
    tensorsOnly: true,
  }),
);
/** `log2(2 ** self + 2 ** other)`, without overflow. */
export const logaddexp2: BinaryFunction = withoutInplace(
  binary("logaddexp2", {
    kernel: (a, b) => logAddExp(a, b, "exp2", Math.LOG2E),
    gradients: [
      (g, c) => g.div(c.tensor(1).sub(c.tensor(0)).exp2().add(1)),
      (g, c) => g.div(c.tensor(0).sub(c.tensor(1)).exp2().add(1)),
    ],
    saves: [
      [0, 1],
      [0, 1],
    ],
    check: onlyFloat("logaddexp2_cpu"),
    tensorsOnly: true,
  }),
);

const lerpOp = new PointwiseOp({
  name: "lerp",
  operandNames: ["self", "end", "weight"],
  overload: ([, , weight]) => (weight ? 0 : 1),
  operands: 3,
  // From the nearer end, so that weight 1 gives `end` exactly.
  kernel: ([start, end, weight]) => {
    const way = end.sub(start);
    return weight
      .abs()
      .lt(0.5)
      .select(start.add(weight.mul(way)), end.sub(way.mul(constant(weight.type, 1).sub(weight))));
  },
  gradients: [
    (g, c) => {
      const weight = c.operand(2);
      return weight instanceof Tensor ? g.mul(weight.neg().add(1)) : g.mul(1 - Number(weight));
    },
    (g, c) => g.mul(c.operand(2)),
    (g, c) => g.mul(c.tensor(1).sub(c.tensor(0))),
  ],
  saves: [[2], [2], [0, 1]],
});

function checkLerp(self: Tensor, end: Tensor, weight: Operand): void {
  if (self.dtype !== end.dtype) {
    throw new RuntimeError(
      `expected dtype ${dt.cppTypeName(self.dtype)} for \`end\` but got dtype ${dt.cppTypeName(end.dtype)}`,
    );
  }
  if (weight instanceof Tensor && weight.sizes.length > 0 && self.dtype !== weight.dtype) {
    throw new RuntimeError(
      `expected dtype ${dt.cppTypeName(self.dtype)} for \`weight\` but got dtype ${dt.cppTypeName(weight.dtype)}`,
    );
  }
  onlyFloat(weight instanceof Tensor ? "lerp_kernel_tensor" : "lerp_kernel_scalar")(self.dtype);
}

interface Lerp {
  (self: Tensor, end: Tensor, weight: Operand | { weight: Operand }, options?: OutOption): Tensor;
  readonly inplace: (self: Tensor, end: Tensor, weight: Operand) => Tensor;
}

/** Linear interpolation: `self + weight * (end - self)`. */
export const lerp: Lerp = Object.assign(
  (self: Tensor, end: Tensor, weight: Operand | { weight: Operand }, options?: OutOption): Tensor => {
    const [a, b, w, out] = bind("lerp(Tensor input, Tensor end, Operand weight, *, Tensor? out=None)", [
      self,
      end,
      weight,
      options,
    ]) as [Tensor, Tensor, Operand, Tensor | null];
    checkLerp(a, b, w);
    return lerpOp.call([a, b, w], { compute: a.dtype, out });
  },
  {
    inplace: (self: Tensor, end: Tensor, weight: Operand): Tensor => {
      const [a, b, w] = bind("lerp_(Tensor self, Tensor end, Operand weight)", [self, end, weight]) as [
        Tensor,
        Tensor,
        Operand,
      ];
      checkLerp(a, b, w);
      return lerpOp.callInplace([a, b, w], { compute: a.dtype });
    },
  },
);

/** Options of `addcmul` and `addcdiv`. */
export interface ValueOption extends OutOption {
  /** A factor of the product or quotient. Default 1. */
  readonly value?: number | bigint;
}

interface AddC {
  (self: Tensor, tensor1: Operand, tensor2: Operand, options?: ValueOption): Tensor;
  readonly inplace: (self: Tensor, tensor1: Operand, tensor2: Operand, options?: ValueOption) => Tensor;
}

function declareAddC(name: string, op: PointwiseOp): AddC {
  const call = (self: Tensor, first: Operand, second: Operand, options?: ValueOption): Tensor => {
    const [x, a, b, value, out] = bind(
      `${name}(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1, Tensor? out=None)`,
      [self, first, second, options],
    ) as [Tensor, Tensor, Tensor, number, Tensor | null];
    return op.call([x, a, b], { scalars: { value: Number(value) }, out });
  };
  const inplace = (self: Tensor, first: Operand, second: Operand, options?: ValueOption): Tensor => {
    const [x, a, b, value] = bind(`${name}_(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1)`, [
      self,
      first,
      second,
      options,
    ]) as [Tensor, Tensor, Tensor, number];
    return op.callInplace([x, a, b], { scalars: { value: Number(value) } });
  };
  return Object.assign(call, { inplace });
}

/** `self + value * tensor1 * tensor2`. */
export const addcmul: AddC = declareAddC(
  "addcmul",
  new PointwiseOp({
    name: "addcmul",
    operands: 3,
    scalars: { value: 1 },
    kernel: ([x, a, b], { value }) => x.add(a.mul(value).mul(b)),
    gradients: [
      (g) => g,
      (g, c) => g.mul(scaled(c.tensor(2), c.scalars.value)),
      (g, c) => g.mul(scaled(c.tensor(1), c.scalars.value)),
    ],
    saves: [[], [2], [1]],
    check: notBool("addcmul_cpu_out"),
  }),
);

function scaled(x: Tensor, value: number | bigint): Tensor {
  return Number(value) === 1 ? x : x.mul(value);
}

/** `self + value * tensor1 / tensor2`. */
export const addcdiv: AddC = declareAddC(
  "addcdiv",
  new PointwiseOp({
    name: "addcdiv",
    operands: 3,
    scalars: { value: 1 },
    kernel: ([x, a, b], { value }) => x.add(a.mul(value).div(b)),
    gradients: [
      (g) => g,
      (g, c) => scaled(g, c.scalars.value).div(c.tensor(2)),
      (g, c) => g.neg().mul(scaled(c.tensor(1), c.scalars.value).div(c.tensor(2).pow(2))),
    ],
    saves: [[], [2], [1, 2]],
    guard: (inputs) => {
      if (inputs[1].dtype.category === dt.FLOATING || inputs[2].dtype.category === dt.FLOATING) return;
      throw new RuntimeError(
        "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value * tensor1 / tensor2), for all dtypes.",
      );
    },
  }),
);
