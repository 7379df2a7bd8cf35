/** What dtype a mix of operands gives. */
import type { DType } from "../dtype.ts";
import { type Operand, resultType } from "./define/promote.ts";
import { bind } from "./define/schema.ts";

/** The dtype of an arithmetic operation on two tensors or numbers. */
export function result_type(tensor1: Operand, tensor2: Operand): DType {
  return resultType(bind("result_type(Operand tensor1, Operand tensor2)", [tensor1, tensor2]) as Operand[]);
}
