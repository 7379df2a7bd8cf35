/** Filling tensors with samples: the bridge from random/, which knows arrays, to tensors. */

import { randomKernels } from "../backend/wasm/random/index.ts";
import { dispatchInplace, type Primitive } from "../dispatch.ts";
import type { DType } from "../dtype.ts";
import type { RandomArray } from "../random/distributions.ts";
import { default_generator, Generator } from "../random/generator.ts";
import { LEAST_FOR_KERNELS, setFillKernels } from "../random/kernels.ts";
import { describe } from "../shape.ts";
import { heap } from "../storage/storage.ts";
import type { Tensor } from "../tensor.ts";
import { copyInto, isDense, zerosLike } from "./copy.ts";
import { sameForAll } from "./define/batch.ts";
import { allocateLike } from "./define/layout.ts";
import { elementsOf } from "./memory.ts";

/** Keyword argument of everything that draws samples. */
export interface GeneratorOption {
  /** Where samples come from; the default generator if absent. */
  readonly generator?: Generator | null;
}

/** The generator to use. */
export function generatorOf(given: unknown): Generator {
  if (given === null || given === undefined) return default_generator;
  if (given instanceof Generator) return given;
  throw new TypeError(`argument 'generator' must be torch.Generator, not ${describe(given)}`);
}

let kernelsMade = false;

/** Before the first fill that is large enough: the kernels that fill tensors. */
export function prepareKernels(count: number): void {
  if (kernelsMade || count < LEAST_FOR_KERNELS) return;
  kernelsMade = true;
  setFillKernels(randomKernels(heap.memory, (bytes) => heap.reserve(bytes)));
}

/**
 * Fills a tensor in PyTorch's order, in which the dimension with the smallest stride varies fastest. `fill` gets the
 * elements in that order, and whether the tensor is contiguous; it checks its arguments before it writes.
 */
export function fillInOrder(target: Tensor, fill: (array: RandomArray, contiguous: boolean) => void): void {
  prepareKernels(target.count);
  if (target.contiguousLayout || target.count === 0) {
    fill(elementsOf(target), true);
  } else if (isDense(target)) {
    fill(elementsOf(target), false);
  } else {
    const dense = allocateLike(target.dtype, target.sizes, [target]);
    fill(elementsOf(dense), false);
    copyInto(target, dense);
  }
}

export interface RandomAttrs {
  readonly generator: Generator;
  /** The distribution's parameters. */
  readonly args: readonly (number | bigint | null)[];
}

/** Fills an array: a function of random/distributions.ts with its arguments taken from a list. */
type Fill = (
  array: RandomArray,
  generator: Generator,
  args: readonly (number | bigint | null)[],
  dtype: DType,
  contiguous: boolean,
) => void;

/** Declares an op that overwrites a tensor with samples. Its gradient is zero. */
export function randomInplace(
  name: string,
  nodeName: string,
  fill: Fill,
): (self: Tensor, generator: Generator, args: readonly (number | bigint | null)[]) => Tensor {
  const op: Primitive<RandomAttrs> = {
    name,
    nodeName,
    compute: ([self], { generator, args }, out) => {
      const target = out ?? allocateLike(self.dtype, self.sizes, [self]);
      fillInOrder(target, (array, contiguous) => fill(array, generator, args, target.dtype, contiguous));
      return target;
    },
    differentiable: true,
    gradient: (grads) => [grads[0] === null ? null : zerosLike(grads[0])],
    masks: [0],
    view: "none",
    random: true,
    batch: sameForAll,
  };
  return (self, generator, args) => dispatchInplace(op, [self], { generator, args });
}
