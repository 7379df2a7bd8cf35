/** Finding values among others: functions of the torch namespace that are not methods. */

import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { shapeText } from "../shape.ts";
import { Tensor } from "../tensor.ts";
import { asTensor } from "./copy.ts";
import { type Elements, resultRows, routineType, rowsOf, withElements } from "./define/axis.ts";
import { again, allBatched } from "./define/batch.ts";
import { intoOut } from "./define/out.ts";
import { primitive } from "./define/primitive.ts";
import { type Operand, resultType, type Scalar } from "./define/promote.ts";
import { bind } from "./define/schema.ts";

interface SearchAttrs {
  readonly right: boolean;
  readonly dtype: DType;
  readonly sorter: boolean;
}

/** How many of the `n` boundaries at `start` come before `value`: those below it, and with `right` those equal to it. */
function position(
  boundaries: Elements,
  order: Elements | null,
  start: number,
  n: number,
  value: number | bigint,
  right: boolean,
): number {
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >> 1;
    const b = boundaries[start + (order === null ? middle : Number(order[start + middle]))];
    // Written so that a NaN is after everything.
    if (right ? !(b > value) : !(b >= value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const searchOp = primitive<SearchAttrs>({
  name: "searchsorted",
  batch: (call) => {
    const { batched, inputs, size } = call;
    const own = inputs[0].sizes.length > 1;
    // Boundaries that all share serve any number of values.
    if (!batched[0] && !own && batched[2] !== true) return again(call);
    // Else each row of values has its own.
    const [boundaries, wanted, ...sorter] = allBatched(call);
    const flat = own ? wanted : wanted.reshape([size, inputs[1].count]);
    return (again(call, call.attrs, [boundaries, flat, ...sorter]) as Tensor).reshape([size, ...inputs[1].sizes]);
  },
  compute: ([boundaries, values, sorter], { right, dtype }) => {
    const type = routineType(dt.promote_types(boundaries.dtype, values.dtype));
    const sorted = rowsOf(boundaries, boundaries.sizes.length - 1, type);
    const wanted = rowsOf(values, Math.max(values.sizes.length - 1, 0), type);
    const order = sorter === undefined ? null : rowsOf(sorter, sorter.sizes.length - 1);
    const result = resultRows(dtype, values.sizes, Math.max(values.sizes.length - 1, 0));
    const tensors = [sorted.tensor, wanted.tensor, result.tensor, ...(order === null ? [] : [order.tensor])];
    withElements(tensors, ([rows, from, to, places]) => {
      const n = sorted.length;
      const own = boundaries.sizes.length > 1;
      const words = new Int32Array(to.buffer, to.byteOffset, (to.length * dtype.itemsize) / 4);
      const step = dtype.itemsize / 4;
      if (order !== null) {
        for (let i = 0; i < places.length; i++) {
          if (places[i] < 0 || places[i] >= n) {
            throw new RuntimeError("torch.searchsorted(): sorter index out of range");
          }
        }
      }
      for (let i = 0; i < from.length; i++) {
        const start = own ? Math.floor(i / wanted.length) * n : 0;
        words[i * step] = position(rows, places ?? null, start, n, from[i], right);
        if (step === 2) words[2 * i + 1] = 0;
      }
    });
    return result.finish();
  },
});

/** Keyword arguments of `searchsorted`. */
export interface SearchSortedOptions {
  /** int32 results instead of int64. */
  readonly out_int32?: boolean;
  /** Behind equal boundaries instead of before them. */
  readonly right?: boolean;
  /** "left" or "right": the same in words. */
  readonly side?: "left" | "right" | null;
  readonly out?: Tensor;
  /** Positions that sort `sorted_sequence`. */
  readonly sorter?: Tensor | null;
}

function checkSearch(sequence: Tensor, input: Operand, values: Tensor, sorter: Tensor | null): void {
  const fail = (message: string): never => {
    throw new RuntimeError(`torch.searchsorted(): ${message}`);
  };
  const rank = sequence.sizes.length;
  if (rank === 0) fail("boundaries tensor should have positive dimension, but got 0 dimension");
  if (values.sizes.length === 0 && rank !== 1) {
    fail(
      `input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries tensor dim(${rank}) and input value's dim(0) numel(1)`,
    );
  }
  if (
    rank !== 1 &&
    (values.sizes.length !== rank || sequence.sizes.slice(0, -1).some((s, d) => s !== values.sizes[d]))
  ) {
    fail(
      `boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must match, but we got boundaries tensor ${shapeText(sequence.sizes)} and input value tensor ${shapeText(values.sizes)}`,
    );
  }
  if (sorter !== null) {
    if (sorter.dtype !== dt.int64) {
      fail(`sorter must be a tensor of long dtype but got dtype ${dt.scalarTypeName(sorter.dtype)}`);
    }
    if (sorter.sizes.length !== rank || sorter.sizes.some((s, d) => s !== sequence.sizes[d])) {
      fail(
        `boundary and sorter must have the same size, but got boundary tensor ${shapeText(sequence.sizes)}and got sorter tensor ${shapeText(sorter.sizes)}`,
      );
    }
  }
  if (sequence.dtype === dt.bool || (input instanceof Tensor && input.dtype === dt.bool)) {
    throw new NotImplementedError(`"searchsorted_out_cpu" not implemented for 'Bool'`);
  }
}

/** Where in `sorted_sequence` (its last dimension) each of `input` would go to keep the order. */
export function searchsorted(sorted_sequence: Tensor, input: Tensor | Scalar, options?: SearchSortedOptions): Tensor {
  const [sequence, value, int32, right, side, out, sorter] = bind(
    "searchsorted(Tensor sorted_sequence, Operand self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? out=None, Tensor? sorter=None)",
    [sorted_sequence, renamed(input, "input"), renamed(options, "input")],
  ) as [Tensor, Operand, boolean, boolean, string | null, Tensor | null, Tensor | null];
  if (side !== null && side !== "left" && side !== "right") {
    throw new RuntimeError(`torch.searchsorted(): side can only be 'left' or 'right' but got ${side}`);
  }
  if (side === "left" && right) {
    throw new RuntimeError(
      "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True",
    );
  }
  const values = asTensor(value, sequence.dtype.is_floating_point ? sequence.dtype : resultType([value]));
  checkSearch(sequence, value, values, sorter);
  const dtype = int32 ? dt.int32 : dt.int64;
  if (out !== null && out.dtype !== dtype) {
    throw new RuntimeError(
      `torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) depending on whether out_int32 flag is True, but we got output tensor's dtype ${dt.scalarTypeName(out.dtype)} and out_int32 flag is ${int32 ? "True" : "False"}`,
    );
  }
  const inputs = sorter === null ? [sequence, values] : [sequence, values, sorter];
  const result = searchOp(inputs, { right: right || side === "right", dtype, sorter: sorter !== null });
  return intoOut(out, result);
}

/** PyTorch's signature calls the values `self`, its documentation `input`. */
function renamed(x: unknown, from: string): unknown {
  if (typeof x !== "object" || x === null || x instanceof Tensor || !(from in x)) return x;
  const { [from]: self, ...rest } = x as Record<string, unknown>;
  return { ...rest, self };
}

/** Between which of the sorted 1-dimensional `boundaries` each of `input` lies. */
export function bucketize(
  input: Tensor | Scalar,
  boundaries: Tensor,
  options?: { readonly out_int32?: boolean; readonly right?: boolean; readonly out?: Tensor },
): Tensor {
  const [value, sequence, int32, right, out] = bind(
    "bucketize(Operand input, Tensor boundaries, *, bool out_int32=False, bool right=False, Tensor? out=None)",
    [input, boundaries, options],
  ) as [Operand, Tensor, boolean, boolean, Tensor | null];
  if (sequence.sizes.length !== 1) {
    throw new RuntimeError(`boundaries tensor must be 1 dimension, but got dim(${sequence.sizes.length})`);
  }
  return searchsorted(sequence, value, { out_int32: int32, right, ...(out === null ? {} : { out }) });
}

const isinOp = primitive<{ readonly invert: boolean; readonly type: DType }>({
  name: "isin",
  // A set for each sample is what the loop makes; one for all serves any number of elements.
  batch: (call) => (call.batched[1] ? null : again(call)),
  compute: ([elements, tests], { invert, type }) => {
    const from = rowsOf(elements, Math.max(elements.sizes.length - 1, 0), type).tensor;
    const among = rowsOf(tests, Math.max(tests.sizes.length - 1, 0), type).tensor;
    const result = resultRows(dt.bool, elements.sizes, Math.max(elements.sizes.length - 1, 0));
    withElements([from, among, result.tensor], ([values, known, to]) => {
      const set = new Set<number | bigint>();
      for (let i = 0; i < known.length; i++) set.add(known[i]);
      // A NaN equals nothing.
      set.delete(Number.NaN);
      for (let i = 0; i < values.length; i++) to[i] = Number(set.has(values[i]) !== invert);
    });
    return result.finish();
  },
});

/** For each of `elements` whether it is among `test_elements`. One of the two may be a number. */
export function isin(
  elements: Tensor | Scalar,
  test_elements: Tensor | Scalar,
  options?: { readonly assume_unique?: boolean; readonly invert?: boolean; readonly out?: Tensor },
): Tensor {
  const [a, b, , invert, out] = bind(
    "isin(Operand elements, Operand test_elements, *, bool assume_unique=False, bool invert=False, Tensor? out=None)",
    [elements, test_elements, options],
  ) as [Operand, Operand, boolean, boolean, Tensor | null];
  if (!(a instanceof Tensor) && !(b instanceof Tensor)) {
    throw new TypeError("isin(): at least one of elements and test_elements must be a Tensor");
  }
  const common = resultType([a, b]);
  for (const x of [a, b]) {
    if (x instanceof Tensor && x.dtype === dt.bool) {
      throw new RuntimeError(`Unsupported input type encountered for isin(): ${dt.scalarTypeName(x.dtype)}`);
    }
  }
  const result = isinOp([asTensor(a, common), asTensor(b, common)], { invert, type: routineType(common) });
  return intoOut(out, result);
}
