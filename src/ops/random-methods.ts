/** In-place sampling, and samples for each element or row of a tensor. The streams are PyTorch's. */

import { dispatchInplace, type Primitive } from "../dispatch.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { constant } from "../ir/expr.ts";
import * as draw from "../random/distributions.ts";
import type { Generator } from "../random/generator.ts";
import { broadcastStrides, shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { copyInto, zerosLike } from "./copy.ts";
import { again, intoFirstDim, sameForAll, withRank } from "./define/batch.ts";
import { allocateLike } from "./define/layout.ts";
import { intoOut } from "./define/out.ts";
import { primitive } from "./define/primitive.ts";
import { bind } from "./define/schema.ts";
import { elementsOf, floatsOf } from "./memory.ts";
import { fillInOrder, type GeneratorOption, generatorOf, randomInplace } from "./random-fill.ts";
import { allocate, runRow } from "./row.ts";

const uniformOp = randomInplace("uniform_", "UniformBackward", (array, generator, [from, to], dtype) =>
  draw.uniform_(array, generator, from as number, to as number, dtype),
);

/** Overwrites with samples of [from, to), by default [0, 1). */
export function uniform_(
  self: Tensor,
  from?: number | (GeneratorOption & { from?: number; to?: number }),
  to?: number | GeneratorOption,
  options?: GeneratorOption,
): Tensor {
  const [x, a, b, generator] = bind("uniform_(Tensor self, float from=0, float to=1, *, any? generator=None)", [
    self,
    from,
    to,
    options,
  ]) as [Tensor, number, number, unknown];
  return uniformOp(x, generatorOf(generator), [a, b]);
}

const normalOp = randomInplace("normal_", "NormalBackward", (array, generator, [mean, std], dtype, contiguous) =>
  draw.normal_(array, generator, mean as number, std as number, dtype, contiguous),
);

/** Overwrites with normal samples of mean `mean` (0) and standard deviation `std` (1). */
export function normal_(
  self: Tensor,
  mean?: number | (GeneratorOption & { mean?: number; std?: number }),
  std?: number | GeneratorOption,
  options?: GeneratorOption,
): Tensor {
  const [x, a, b, generator] = bind("normal_(Tensor self, float mean=0, float std=1, *, any? generator=None)", [
    self,
    mean,
    std,
    options,
  ]) as [Tensor, number, number, unknown];
  return normalOp(x, generatorOf(generator), [a, b]);
}

const logNormalOp = randomInplace("log_normal_", "LogNormalBackward", (array, generator, [mean, std], dtype) =>
  draw.log_normal_(array, generator, mean as number, std as number, dtype),
);

/** Overwrites with exponentials of normal samples of mean `mean` (1) and standard deviation `std` (2). */
export function log_normal_(
  self: Tensor,
  mean?: number | (GeneratorOption & { mean?: number; std?: number }),
  std?: number | GeneratorOption,
  options?: GeneratorOption,
): Tensor {
  const [x, a, b, generator] = bind("log_normal_(Tensor self, float mean=1, float std=2, *, any? generator=None)", [
    self,
    mean,
    std,
    options,
  ]) as [Tensor, number, number, unknown];
  return logNormalOp(x, generatorOf(generator), [a, b]);
}

const exponentialOp = randomInplace("exponential_", "ExponentialBackward", (array, generator, [lambd], dtype) =>
  draw.exponential_(array, generator, lambd as number, dtype),
);

/** Overwrites with samples of the exponential distribution of rate `lambd` (1). */
export function exponential_(
  self: Tensor,
  lambd?: number | (GeneratorOption & { lambd?: number }),
  options?: GeneratorOption,
): Tensor {
  const [x, rate, generator] = bind("exponential_(Tensor self, float lambd=1, *, any? generator=None)", [
    self,
    lambd,
    options,
  ]) as [Tensor, number, unknown];
  return exponentialOp(x, generatorOf(generator), [rate]);
}

const geometricOp = randomInplace("geometric_", "GeometricBackward", (array, generator, [p], dtype) =>
  draw.geometric_(array, generator, p as number, dtype),
);

/** Overwrites with numbers of trials up to the first success of probability `p`. */
export function geometric_(
  self: Tensor,
  p: number | (GeneratorOption & { p: number }),
  options?: GeneratorOption,
): Tensor {
  const [x, chance, generator] = bind("geometric_(Tensor self, float p, *, any? generator=None)", [
    self,
    p,
    options,
  ]) as [Tensor, number, unknown];
  return geometricOp(x, generatorOf(generator), [chance]);
}

const cauchyOp = randomInplace("cauchy_", "CauchyBackward", (array, generator, [median, sigma], dtype) =>
  draw.cauchy_(array, generator, median as number, sigma as number, dtype),
);

/** Overwrites with samples of the Cauchy distribution around `median` (0) of half width `sigma` (1). */
export function cauchy_(
  self: Tensor,
  median?: number | (GeneratorOption & { median?: number; sigma?: number }),
  sigma?: number | GeneratorOption,
  options?: GeneratorOption,
): Tensor {
  const [x, a, b, generator] = bind("cauchy_(Tensor self, float median=0, float sigma=1, *, any? generator=None)", [
    self,
    median,
    sigma,
    options,
  ]) as [Tensor, number, number, unknown];
  return cauchyOp(x, generatorOf(generator), [a, b]);
}

const randomOp = randomInplace("random_", "RandomBackward", (array, generator, [from, to], dtype) =>
  from === null
    ? draw.random_(array, generator, undefined, null, dtype)
    : draw.random_(array, generator, from, to, dtype),
);

/** A whole number from an argument. */
function whole(x: unknown, name: string): number | bigint {
  if (typeof x === "bigint" || (typeof x === "number" && Number.isInteger(x))) return x;
  throw new TypeError(`random_(): argument '${name}' must be int, not ${typeof x}`);
}

/**
 * Overwrites with whole numbers: `random_()` up to the largest of an integer type (2^24 for float32), `random_(to)` of
 * [0, to), `random_(from, to)` of [from, to); with `to = null`, from `from` up.
 */
export function random_(
  self: Tensor,
  from?: number | bigint | (GeneratorOption & { from?: number | bigint; to?: number | bigint | null }),
  to?: number | bigint | null | GeneratorOption,
  options?: GeneratorOption,
): Tensor {
  const [x, a, b, generator] = bind("random_(Tensor self, any from=None, any to=None, *, any? generator=None)", [
    self,
    from,
    to,
    options,
  ]) as [Tensor, unknown, unknown, unknown];
  const one = typeof to !== "number" && typeof to !== "bigint" && to !== null && b === null;
  const args =
    a === null && b === null
      ? [null, null]
      : one && typeof from !== "object"
        ? [0, whole(a, "to")]
        : [whole(a ?? 0, "from"), b === null ? null : whole(b, "to")];
  return randomOp(x, generatorOf(generator), args);
}

const bernoulliNumberOp = randomInplace("bernoulli_", "BernoulliBackward2", (array, generator, [p], dtype) =>
  draw.bernoulli_(array, generator, p as number, dtype),
);

const dropoutMaskOp = randomInplace("bernoulli_", "BernoulliBackward2", (array, generator, [p, value], dtype) =>
  draw.bernoulli_(array, generator, p as number, dtype, value as number),
);

/** Overwrites a float32 or float64 tensor with `value` with probability `p`, else 0: the stream of `bernoulli_(p)`. */
export function fillDropoutMask(target: Tensor, p: number, value: number): Tensor {
  return dropoutMaskOp(target, generatorOf(null), [p, value]);
}

/** Probabilities in an array with the layout of `target`: float64 stays, other types become float32. */
function probabilities(p: Tensor, target: Tensor): Tensor {
  if (!p.dtype.is_floating_point) dt.notImplementedFor("bernoulli_tensor_cpu_p_", p.dtype);
  const type = p.dtype === dt.float64 ? dt.float64 : dt.float32;
  const source = new Tensor(
    p.storage,
    p.dtype,
    target.sizes,
    broadcastStrides(p.sizes, p.strides, target.sizes),
    p.offset,
  );
  if (source.contiguousLayout && type === p.dtype && target.contiguousLayout) return source;
  const out = allocateLike(type, target.sizes, [target]);
  copyInto(out, source);
  return out;
}

let verdict: Tensor | undefined;

/** Uniform samples are drawn into the target, and compared there. */
function fillBernoulliByKernel(target: Tensor, chances: Tensor, generator: Generator): void {
  const { count } = target;
  verdict ??= allocate(dt.bool, []);
  runRow({
    name: "bernoulli_check",
    key: "bernoulli_check",
    outer: [],
    inner: [count],
    operands: [
      { tensor: chances, outer: [], inner: [1] },
      { tensor: verdict, outer: [], inner: [0] },
    ],
    outputs: 1,
    build: ([p], row) => row.store(1, row.reduce("max", p.ge(0).and(p.le(1)).not())),
  });
  draw.checkProbabilities(elementsOf(verdict)[0] === 0);
  fillInOrder(target, (array) => draw.uniform_(array, generator));
  const operand = (tensor: Tensor) => ({ tensor, outer: [1], inner: [] });
  runRow({
    name: "bernoulli",
    key: "bernoulli",
    outer: [count],
    inner: [],
    operands: [operand(target), operand(chances), operand(target)],
    outputs: 1,
    build: ([u, p], row) => row.store(2, u.lt(p).select(constant("f32", 1), 0)),
  });
}

function fillBernoulli(target: Tensor, p: Tensor, generator: Generator): void {
  const chances = probabilities(p, target);
  if (target.dtype === dt.float32 && chances.dtype === dt.float32 && target.contiguousLayout && target.count > 0) {
    fillBernoulliByKernel(target, chances, generator);
    return;
  }
  const values = elementsOf(chances).slice() as Float32Array | Float64Array;
  fillInOrder(target, (array) => draw.bernoulli_tensor_(array, generator, values, target.dtype));
}

const bernoulliTensorOp: Primitive<{ generator: Generator }> = {
  name: "bernoulli_",
  nodeName: "BernoulliBackward1",
  compute: ([self, p], { generator }, out) => {
    const target = out ?? allocateLike(self.dtype, self.sizes, [self]);
    fillBernoulli(target, p, generator);
    return target;
  },
  differentiable: true,
  gradient: (grads, c) => [
    zerosLike(grads[0] as Tensor),
    c.needs(1) ? (grads[0] as Tensor).new_zeros(c.shape(1)) : null,
  ],
  masks: [0],
  view: "none",
  random: true,
  batch: (call) => {
    const [self, p] = call.values;
    return again(call, call.attrs, [self, call.batched[1] ? withRank(p, self.sizes.length) : p]);
  },
};

/** Overwrites with 1 with probability `p` (0.5), which may be a tensor of probabilities, else 0. */
export function bernoulli_(
  self: Tensor,
  p?: number | Tensor | (GeneratorOption & { p?: number | Tensor }),
  options?: GeneratorOption,
): Tensor {
  const [x, chance, given] = bind("bernoulli_(Tensor self, Operand p=0.5, *, any? generator=None)", [
    self,
    p,
    options,
  ]) as [Tensor, number | Tensor, unknown];
  const generator = generatorOf(given);
  if (!(chance instanceof Tensor)) return bernoulliNumberOp(x, generator, [Number(chance)]);
  checkExpands(chance, x);
  return dispatchInplace(bernoulliTensorOp, [x, chance], { generator });
}

function checkExpands(p: Tensor, target: Tensor): void {
  const lead = target.sizes.length - p.sizes.length;
  if (lead < 0) {
    throw new RuntimeError(
      `expand(torch.FloatTensor{${shapeText(p.sizes)}}, size=${shapeText(target.sizes)}): the number of sizes provided (${target.sizes.length}) must be greater or equal to the number of dimensions in the tensor (${p.sizes.length})`,
    );
  }
  p.sizes.forEach((s, i) => {
    if (s !== 1 && s !== target.sizes[lead + i]) {
      throw new RuntimeError(
        `The expanded size of the tensor (${target.sizes[lead + i]}) must match the existing size (${s}) at non-singleton dimension ${lead + i}.  Target sizes: ${shapeText(target.sizes)}.  Tensor sizes: ${shapeText(p.sizes)}`,
      );
    }
  });
}

const bernoulliOp = primitive<{ p: number | null; generator: Generator }>({
  name: "bernoulli",
  random: true,
  batch: sameForAll,
  compute: ([x], { p, generator }) => {
    const out = allocate(x.dtype, x.sizes);
    if (p === null) fillBernoulli(out, x, generator);
    else fillInOrder(out, (array) => draw.bernoulli_(array, generator, p, out.dtype));
    return out;
  },
  gradient: (g) => [zerosLike(g)],
});

/** 1 with the probability that the element says (or with probability `p` for every element), else 0. */
export function bernoulli(
  self: Tensor,
  p?: number | (GeneratorOption & { p?: number; out?: Tensor }),
  options?: GeneratorOption & { out?: Tensor },
): Tensor {
  const [x, chance, generator, out] = bind(
    "bernoulli(Tensor self, float? p=None, *, any? generator=None, Tensor? out=None)",
    [self, p, options],
  ) as [Tensor, number | null, unknown, Tensor | null];
  const result = bernoulliOp([x], { p: chance, generator: generatorOf(generator) });
  return out === null ? result : intoOut(out, result.detach());
}

const multinomialOp = primitive<{ samples: number; replacement: boolean; generator: Generator }>({
  name: "multinomial",
  random: true,
  batch: (call) => (call.inputs[0].sizes.length === 1 ? again(call) : intoFirstDim<typeof call.attrs>()(call)),
  compute: ([x], { samples, replacement, generator }) => {
    const rows = x.sizes.length === 2 ? x.sizes[0] : 1;
    const weights = floatsOf(x);
    const picked = draw.multinomial(weights, rows, samples, replacement, generator, x.dtype);
    const out = allocate(dt.int64, x.sizes.length === 2 ? [rows, samples] : [samples]);
    const array = elementsOf(out) as BigInt64Array;
    for (let i = 0; i < array.length; i++) array[i] = BigInt(picked[i]);
    return out;
  },
});

/** Indices drawn from the weights in each row (or in the one-dimensional `self`): int64, `num_samples` a row. */
export function multinomial(
  self: Tensor,
  num_samples: number,
  replacement?: boolean | (GeneratorOption & { replacement?: boolean; out?: Tensor }),
  options?: GeneratorOption & { out?: Tensor },
): Tensor {
  const [x, samples, again, given, out] = bind(
    "multinomial(Tensor self, int num_samples, bool replacement=False, *, any? generator=None, Tensor? out=None)",
    [self, num_samples, replacement, options],
  ) as [Tensor, number, boolean, unknown, Tensor | null];
  const generator = generatorOf(given);
  if (x.ndim < 1 || x.ndim > 2) throw new RuntimeError("prob_dist must be 1 or 2 dim");
  if (!x.dtype.is_floating_point) {
    throw new RuntimeError(
      `multinomial only supports floating-point dtypes for input, got: ${dt.scalarTypeName(x.dtype)}`,
    );
  }
  if (samples <= 0) throw new RuntimeError("cannot sample n_sample <= 0 samples");
  if (!again && samples > x.sizes[x.ndim - 1]) {
    throw new RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  }
  const result = multinomialOp([x], { samples, replacement: again, generator });
  return intoOut(out, result);
}
