/** Number theory on integers: loops of unknown length, so routines rather than kernels. */

import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { broadcastShapes, broadcastStrides, sameShape, shapeText } from "../shape.ts";
import { heap } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { copyInto } from "./copy.ts";
import { again, withRank } from "./define/batch.ts";
import { intoOut, requireCast } from "./define/out.ts";
import { primitive } from "./define/primitive.ts";
import { resultType } from "./define/promote.ts";
import { bind } from "./define/schema.ts";
import type { OutOption } from "./define/unary.ts";
import { onlyIntegers } from "./kernels/guards.ts";
import { allocate } from "./row.ts";

function greatestDivisor(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a < 0n ? -a : a;
}

function leastMultiple(a: bigint, b: bigint): bigint {
  const divisor = greatestDivisor(a, b);
  if (divisor === 0n) return 0n;
  const product = (a / divisor) * b;
  return product < 0n ? -product : product;
}

const routines = { gcd: greatestDivisor, lcm: leastMultiple } as const;
type Routine = keyof typeof routines;

const integerOp = primitive<{ routine: Routine }>({
  name: "gcd",
  batch: (call) => {
    const rank = Math.max(...call.inputs.map((t) => t.sizes.length));
    return again(
      call,
      call.attrs,
      call.values.map((t, i) => (call.batched[i] ? withRank(t, rank + 1) : t)),
    );
  },
  compute: ([a, b], { routine }) => {
    const f = routines[routine];
    const dtype = resultType([a, b]);
    onlyIntegers(`${routine}_cpu`)(dtype);
    const shape = broadcastShapes(a.sizes, b.sizes);
    const [x, y] = [a, b].map((t) => {
      const wide = allocate(dt.int64, shape);
      copyInto(wide, new Tensor(t.storage, t.dtype, shape, broadcastStrides(t.sizes, t.strides, shape), t.offset));
      return wide;
    });
    const out = allocate(dtype, shape);
    // The addresses first: bringing spilled memory back may replace the heap's buffer.
    const [first, second] = [x.storage.address, y.storage.address].map(
      (address) => new BigInt64Array(heap.memory.buffer, address, x.count),
    );
    for (let i = 0; i < first.length; i++) first[i] = f(first[i], second[i]);
    copyInto(out, x);
    return out;
  },
});

interface IntegerFunction {
  (self: Tensor, other: Tensor, options?: OutOption): Tensor;
  readonly inplace: (self: Tensor, other: Tensor) => Tensor;
}

function declare(routine: Routine): IntegerFunction {
  const call = (self: Tensor, other: Tensor, options?: OutOption): Tensor => {
    const [a, b, out] = bind(`${routine}(Tensor input, Tensor other, *, Tensor? out=None)`, [self, other, options]) as [
      Tensor,
      Tensor,
      Tensor | null,
    ];
    const result = integerOp([a, b], { routine });
    return intoOut(out, result);
  };
  const inplace = (self: Tensor, other: Tensor): Tensor => {
    const [a, b] = bind(`${routine}_(Tensor self, Tensor other)`, [self, other]) as [Tensor, Tensor];
    const result = integerOp([a, b], { routine });
    if (!sameShape(result.sizes, a.sizes)) {
      throw new RuntimeError(
        `output with shape ${shapeText(a.sizes)} doesn't match the broadcast shape ${shapeText(result.sizes)}`,
      );
    }
    requireCast(result.dtype, a.dtype);
    return a.copy_(result);
  };
  return Object.assign(call, { inplace });
}

/** Greatest common divisor of each pair of integers; not negative. */
export const gcd: IntegerFunction = declare("gcd");
/** Least common multiple of each pair of integers; not negative. */
export const lcm: IntegerFunction = declare("lcm");
