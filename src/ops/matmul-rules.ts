/** What the products of matrices have in common: checks, messages, and a gradient's layout. */
import type { DType } from "../dtype.ts";
import * as dt from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";

/** Products are not defined on bool. */
export function refuseBool(dtype: DType, kernel: string): void {
  if (dtype === dt.bool) dt.notImplementedFor(kernel, dtype);
}

/**
 * The gradient of the second factor, in that factor's layout: where it is the transpose of a row-major matrix (the weight
 * of a layer), so is the gradient, and the weight's gradient becomes row-major.
 */
export function gradientOfSecond(first: Tensor, g: Tensor, transposed: boolean): Tensor {
  return transposed ? g.t().mm(first).t() : first.t().mm(g);
}

/** Whether a matrix lies in memory column by column. What is recorded is this, so that the matrix itself may change. */
export function isTransposed(matrix: Tensor): boolean {
  return matrix.strides[0] === 1 && matrix.strides[1] === matrix.sizes[0];
}

/** Throws unless both are stacks of matrices that can be multiplied. */
export function checkStacks(a: Tensor, b: Tensor): void {
  if (a.sizes.length !== 3) throw new RuntimeError("batch1 must be a 3D tensor");
  if (b.sizes.length !== 3) throw new RuntimeError("batch2 must be a 3D tensor");
  if (a.sizes[0] !== b.sizes[0] || a.sizes[2] !== b.sizes[1]) {
    throw new RuntimeError(
      `Expected size for first two dimensions of batch2 tensor to be: [${a.sizes[0]}, ${a.sizes[2]}] but got: [${b.sizes[0]}, ${b.sizes[1]}].`,
    );
  }
}

/** Throws unless `a · x` exists and `input`, if given, has its size or size 1. */
export function checkMatrixVector(a: Tensor, x: Tensor, inputRank: number, input: number | null): void {
  if (a.sizes.length !== 2 || x.sizes.length !== 1 || inputRank > 1) {
    throw new RuntimeError(`vector + matrix @ vector expected, got ${inputRank}, ${a.sizes.length}, ${x.sizes.length}`);
  }
  const size = input ?? a.sizes[0];
  if (a.sizes[1] !== x.sizes[0] || (size !== a.sizes[0] && size !== 1)) {
    throw new RuntimeError(`size mismatch, got input (${size}), mat (${a.sizes.join("x")}), vec (${x.sizes[0]})`);
  }
}
