/** A rough price of row kernels, which decides whether threads pay. */
import { type Expr, walk } from "../../../ir/expr.ts";
import type { RowKernel } from "../../../ir/kernel.ts";

/** Nanoseconds for one element, in vectors: of a load or store, often from the third-level cache, and of an operation. */
const ACCESS = 0.15;
const OPERATION = 0.05;

/** Estimated nanoseconds of each index of the outer and inner axes. */
export function rowCost(kernel: RowKernel): number {
  const indices = new Set<Expr>();
  const values = new Set<Expr>();
  let cost = 0;
  for (const stage of kernel.stages) {
    if (stage.kind === "store") cost += ACCESS;
    walk(
      stage.value,
      (node) => {
        if (node.op === "load") {
          cost += ACCESS;
          for (const argument of node.args) walk(argument, () => {}, indices);
        }
      },
      values,
    );
  }
  for (const node of values) if (node.args.length > 0 && node.op !== "load" && !indices.has(node)) cost += OPERATION;
  return Math.max(cost, ACCESS);
}
