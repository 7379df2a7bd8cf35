/** New tensors of samples. With the same seed they are PyTorch's. */

import { requireCpu } from "../device.ts";
import { forSamples } from "../dispatch.ts";
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import * as draw from "../random/distributions.ts";
import type { Generator } from "../random/generator.ts";
import { broadcastShapes, broadcastStrides, type Shape } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { isBatched } from "../wrapping.ts";
import { copyInto, zerosLike } from "./copy.ts";
import { empty, empty_like, type LikeOptions, type SizesAndOptions } from "./creation.ts";
import { again, allValues, sameForAll, withRank } from "./define/batch.ts";
import { intoOut } from "./define/out.ts";
import { primitive } from "./define/primitive.ts";
import { bind, bindAs } from "./define/schema.ts";
import { elementsOf, floatsOf } from "./memory.ts";
import { fillInOrder, type GeneratorOption, generatorOf, prepareKernels } from "./random-fill.ts";
import { normal_, random_, uniform_ } from "./random-methods.ts";
import { allocate, runRow } from "./row.ts";
import { type BoundOptions, checkSizes, finish, OPTIONS, type TensorOptions } from "./tensor-options.ts";

export interface RandomOptions extends TensorOptions, GeneratorOption {
  readonly out?: Tensor;
}

const RANDOM = `any? generator=None, Tensor? out=None, ${OPTIONS}`;
const SIZE_RANDOM = `(ints size, *, ${RANDOM})`;
type BoundRandom = [unknown, Tensor | null, ...BoundOptions];

function sampled(
  [given, out, dtype, device, requiresGrad]: BoundRandom,
  sizes: Shape,
  type: DType,
  fill: (x: Tensor, generator: Generator) => Tensor,
): Tensor {
  requireCpu(device);
  checkSizes(sizes);
  const generator = generatorOf(given);
  const result = fill(
    forSamples(sizes, (all) => empty(all, { dtype: dtype ?? out?.dtype ?? type })),
    generator,
  );
  return out === null ? finish(result, requiresGrad) : intoOut(out, result);
}

/** Samples of [0, 1): `rand(2, 3)`, `rand([2, 3], { generator })`. */
export function rand(...size: SizesAndOptions<RandomOptions>): Tensor {
  const [sizes, ...rest] = bindAs("rand", SIZE_RANDOM, size) as [number[], ...BoundRandom];
  return sampled(rest, sizes, dt.get_default_dtype(), (x, generator) => uniform_(x, 0, 1, { generator }));
}

/** Normal samples of mean 0 and standard deviation 1. */
export function randn(...size: SizesAndOptions<RandomOptions>): Tensor {
  const [sizes, ...rest] = bindAs("randn", SIZE_RANDOM, size) as [number[], ...BoundRandom];
  return sampled(rest, sizes, dt.get_default_dtype(), (x, generator) => normal_(x, 0, 1, { generator }));
}

/** Whole numbers of [low, high), int64 by default: `randint(high, size)` or `randint(low, high, size)`. */
export function randint(high: number | bigint, size: number | Shape, options?: RandomOptions): Tensor;
export function randint(
  low: number | bigint,
  high: number | bigint,
  size: number | Shape,
  options?: RandomOptions,
): Tensor;
export function randint(options: RandomOptions & { low?: number; high: number; size: Shape }): Tensor;
export function randint(...args: unknown[]): Tensor {
  const twoBounds = isWhole(args[0]) && isWhole(args[1]) && args[2] !== undefined;
  const [a, b, c, ...rest] = (
    twoBounds
      ? bind(`randint(any low, any high, int[] size, *, ${RANDOM})`, args)
      : reorder(bind(`randint(any high, int[] size, any low=0, *, ${RANDOM})`, args))
  ) as [unknown, unknown, number[], ...BoundRandom];
  const [low, high] = [bound(a, "low"), bound(b, "high")];
  return sampled(rest, c, dt.int64, (x, generator) => random_(x, low, high, { generator }));
}

function reorder([high, size, low, ...rest]: unknown[]): unknown[] {
  return [low, high, size, ...rest];
}

function isWhole(x: unknown): boolean {
  return typeof x === "bigint" || (typeof x === "number" && Number.isInteger(x));
}

function bound(x: unknown, name: string): number | bigint {
  const value = x instanceof Tensor && x.numel() === 1 ? x.item() : x;
  if (!isWhole(value)) throw new TypeError(`randint(): argument '${name}' must be int, not ${typeof value}`);
  return value as number | bigint;
}

/** The numbers 0 to n - 1 in random order, int64 by default. */
export function randperm(n: number, options?: RandomOptions): Tensor {
  const [count, ...rest] = bind(`randperm(int n, *, ${RANDOM})`, [n, options]) as [number, ...BoundRandom];
  if (count < 0) throw new RuntimeError(`n must be non-negative, got ${count}`);
  return sampled(rest, [count], dt.int64, (_, generator) =>
    randpermOp([], { n: count, dtype: (rest[2] as DType | null) ?? rest[1]?.dtype ?? dt.int64, generator }),
  );
}

const randpermOp = primitive<{ n: number; dtype: DType; generator: Generator }>({
  name: "randperm",
  random: true,
  compute: (_, { n, dtype, generator }) => {
    const out = allocate(dtype, [n]);
    prepareKernels(n);
    draw.randperm(elementsOf(out), generator, dtype);
    return out;
  },
});

/** Options of `rand_like` and its kin. */
export interface RandomLikeOptions extends LikeOptions, GeneratorOption {}

const RANDOM_LIKE = `${OPTIONS}, any? memory_format=None, any? generator=None`;
type BoundLike = [...BoundOptions, unknown, boolean, LikeOptions["memory_format"], unknown];

function sampledLike(x: Tensor, bound: BoundLike, fill: (x: Tensor, generator: Generator) => Tensor): Tensor {
  const [dtype, device, requiresGrad, , , memory_format, generator] = bound;
  // One that is the same for all samples of torch.vmap may get other numbers for each.
  const fresh = isBatched(x)
    ? empty_like(x, { dtype, device, memory_format })
    : forSamples(x.sizes, (sizes) =>
        sizes.length === x.sizes.length
          ? empty_like(x, { dtype, device, memory_format })
          : empty(sizes, { dtype: dtype ?? x.dtype }),
      );
  return finish(fill(fresh, generatorOf(generator)), requiresGrad);
}

/** Samples of [0, 1) with the shape and the dtype of `input`. */
export function rand_like(input: Tensor, options?: RandomLikeOptions): Tensor {
  const [x, ...rest] = bind(`rand_like(Tensor self, *, ${RANDOM_LIKE})`, [input, options]) as [Tensor, ...BoundLike];
  return sampledLike(x, rest, (out, generator) => uniform_(out, 0, 1, { generator }));
}

/** Normal samples with the shape and the dtype of `input`. */
export function randn_like(input: Tensor, options?: RandomLikeOptions): Tensor {
  const [x, ...rest] = bind(`randn_like(Tensor self, *, ${RANDOM_LIKE})`, [input, options]) as [Tensor, ...BoundLike];
  return sampledLike(x, rest, (out, generator) => normal_(out, 0, 1, { generator }));
}

/** Whole numbers with the shape and the dtype of `input`: `randint_like(input, high)`, `randint_like(input, low, high)`. */
export function randint_like(
  input: Tensor,
  low: number | bigint | (RandomLikeOptions & { low?: number; high: number }),
  high?: number | bigint | RandomLikeOptions,
  options?: RandomLikeOptions,
): Tensor {
  const [x, a, b, ...rest] = (
    isWhole(low) && isWhole(high)
      ? bind(`randint_like(Tensor self, any low, any high, *, ${RANDOM_LIKE})`, [input, low, high, options])
      : swapBounds(
          bind(`randint_like(Tensor self, any high, any low=0, *, ${RANDOM_LIKE})`, [input, low, high, options]),
        )
  ) as [Tensor, unknown, unknown, ...BoundLike];
  const [from, to] = [bound(a, "low"), bound(b, "high")];
  return sampledLike(x, rest, (out, generator) => random_(out, from, to, { generator }));
}

function swapBounds([x, high, low, ...rest]: unknown[]): unknown[] {
  return [x, low, high, ...rest];
}

/** Attributes of `normal` with tensors: a number where there is no tensor. */
interface NormalAttrs {
  readonly mean: number | null;
  readonly std: number | null;
  readonly generator: Generator;
}

function normalOp(nodeName: string) {
  return primitive<NormalAttrs>({
    name: "normal",
    nodeName,
    random: true,
    batch: (call) => {
      const rank = Math.max(...call.inputs.map((t) => t.sizes.length));
      return again(
        call,
        call.attrs,
        call.values.map((t) => withRank(t, rank + 1)),
      );
    },
    compute: (inputs, { mean, std, generator }) => {
      const tensors = [...inputs];
      const means = mean === null ? (tensors.shift() as Tensor) : null;
      const deviations = std === null ? (tensors.shift() as Tensor) : null;
      const first = (means ?? deviations) as Tensor;
      const shape =
        means !== null && deviations !== null ? broadcastShapes(means.sizes, deviations.sizes) : first.sizes;
      const out = allocate(first.dtype, shape);
      // The deviation multiplies samples of deviation 1 if it is a tensor, and is the samples' own if it is a number.
      fillInOrder(out, (array) => draw.normal_(array, generator, 0, std ?? 1, out.dtype));
      const operands = [...inputs, out].map((tensor) => ({
        tensor,
        outer: broadcastStrides(tensor.sizes, tensor.strides, shape),
        inner: [],
      }));
      const type = out.dtype === dt.float64 ? "f64" : "f32";
      runRow({
        name: "normal",
        key: `normal:${means !== null}:${deviations !== null}`,
        outer: shape,
        inner: [],
        operands: [...operands, operands[operands.length - 1]],
        outputs: 1,
        scalars: [mean ?? 0],
        scalarTypes: [type],
        build: (values, row, [shift]) => {
          const rest = values.map((v) => v.cast(type));
          const center = means === null ? shift : rest[0];
          const z = rest[rest.length - 1];
          const scaled = deviations === null ? z : z.mul(rest[means === null ? 0 : 1]);
          row.store(values.length, scaled.add(center));
        },
      });
      return out;
    },
    gradient: (g, c) => Array.from({ length: c.inputCount }, (_, i) => (c.needs(i) ? g.new_zeros(c.shape(i)) : null)),
  });
}

const normalTensorFloat = normalOp("NormalBackward1");
const normalFloatTensor = normalOp("NormalBackward2");
const normalTensorTensor = normalOp("NormalBackward3");

/**
 * Normal samples whose mean and standard deviation are tensors, one for each sample, or numbers; `size` is for two
 * numbers. Default deviation: 1.
 */
export function normal(
  mean: number | Tensor,
  std?: number | Tensor | (RandomOptions & { std?: number | Tensor; size?: Shape }),
  size?: Shape | RandomOptions,
  options?: RandomOptions,
): Tensor {
  const [center, deviation, sizes, ...rest] = bind(
    `normal(Operand mean, Operand std=1, int[]? size=None, *, ${RANDOM})`,
    [mean, std, size, options],
  ) as [number | Tensor, number | Tensor, number[] | null, ...BoundRandom];
  const generator = generatorOf(rest[0]);
  if (!(center instanceof Tensor) && !(deviation instanceof Tensor)) {
    if (sizes === null) throw new TypeError("normal() missing 1 required positional argument: 'size'");
    return sampled(rest, sizes, dt.get_default_dtype(), (x, g) => normal_(x, center, deviation, { generator: g }));
  }
  if (!(deviation instanceof Tensor)) {
    if (!(deviation >= 0)) throw new RuntimeError(`normal expects std >= 0.0, but found std ${deviation}`);
  } else if (floatsOf(allValues(deviation)).some((s) => s < 0)) {
    throw new RuntimeError("normal expects all elements of std >= 0.0");
  }
  const first = (center instanceof Tensor ? center : deviation) as Tensor;
  if (!first.dtype.is_floating_point) dt.notImplementedFor("normal_kernel_cpu", first.dtype);
  let result: Tensor;
  if (center instanceof Tensor && deviation instanceof Tensor) {
    result = normalTensorTensor([center, deviation], { mean: null, std: null, generator });
  } else if (center instanceof Tensor) {
    result = normalTensorFloat([center], { mean: null, std: deviation as number, generator });
  } else result = normalFloatTensor([deviation as Tensor], { mean: center, std: null, generator });
  return rest[1] === null ? result : intoOut(rest[1], result.detach());
}

const poissonOp = primitive<{ generator: Generator }>({
  name: "poisson",
  random: true,
  batch: sameForAll,
  compute: ([x], { generator }) => {
    const rates = floatsOf(x);
    const samples = rates.slice();
    draw.poisson(samples, rates, generator);
    const type = x.dtype === dt.float64 ? dt.float64 : dt.float32;
    const wide = allocate(type, x.sizes);
    (elementsOf(wide) as Float32Array).set(samples);
    if (x.dtype === type) return wide;
    const out = allocate(x.dtype, x.sizes);
    copyInto(out, wide);
    return out;
  },
  gradient: (g) => [zerosLike(g)],
});

/** A Poisson sample for each rate in `input`. */
export function poisson(input: Tensor, options?: GeneratorOption): Tensor {
  const [x, generator] = bind("poisson(Tensor input, any? generator=None)", [input, options]) as [Tensor, unknown];
  if (!x.dtype.is_floating_point) dt.notImplementedFor("poisson_cpu", x.dtype);
  return poissonOp([x], { generator: generatorOf(generator) });
}
