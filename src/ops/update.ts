/** Updates of several tensors in one kernel: what optimizers are made of. */
import { dispatchUpdate, type UpdateOp } from "../dispatch.ts";
import { RuntimeError } from "../errors.ts";
import { type ComputeType, computeType, type Expr } from "../ir/expr.ts";
import { sameShape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { runRow } from "./row.ts";

export interface UpdateSpec {
  readonly name: string;
  /** How many tensors, and which of them are written. */
  readonly inputs: number;
  readonly writes: readonly number[];
  /** The new values of the written tensors, in their order. */
  readonly kernel: (values: readonly Expr[], scalars: readonly Expr[], variant: string) => readonly Expr[];
}

interface UpdateAttrs {
  readonly scalars: readonly number[];
  readonly variant: string;
}

/** A declared update: tensors of one shape (the written ones contiguous or not), scalars, and which variant. */
export type Update = (tensors: readonly Tensor[], scalars: readonly number[], variant?: string) => void;

/** Declares an update. All values are computed in the first tensor's type before any is written. */
export function update(spec: UpdateSpec): Update {
  const op: UpdateOp<UpdateAttrs> = {
    name: spec.name,
    nodeName: spec.name,
    differentiable: false,
    gradient: () => [],
    masks: [0],
    view: "none",
    writes: spec.writes,
    compute: (inputs, { scalars, variant }) => {
      run(spec, inputs, scalars, variant);
      return [];
    },
  };
  return (tensors, scalars, variant = "") => {
    for (const t of tensors) {
      if (!sameShape(t.sizes, tensors[0].sizes)) {
        throw new RuntimeError(
          `${spec.name}: expected tensors of shape ${shapeText(tensors[0].sizes)}, but got one of shape ${shapeText(t.sizes)}`,
        );
      }
    }
    dispatchUpdate(op, tensors, { scalars, variant });
  };
}

function run(spec: UpdateSpec, inputs: readonly Tensor[], scalars: readonly number[], variant: string): void {
  const flat = inputs.every((t) => t.contiguousLayout);
  const shape = flat ? [inputs[0].count] : inputs[0].sizes;
  const operand = (t: Tensor) => ({ tensor: t, outer: flat ? [1] : t.strides, inner: [] });
  const type: ComputeType = computeType(inputs[0].dtype.name);
  runRow({
    name: spec.name,
    key: `${spec.name}:${variant}:${inputs.length}`,
    outer: shape,
    inner: [],
    operands: [...inputs.map(operand), ...spec.writes.map((i) => operand(inputs[i]))],
    outputs: spec.writes.length,
    scalars,
    scalarTypes: scalars.map(() => type),
    build: (values, row, params) => {
      const results = spec.kernel(
        values.map((v) => v.cast(type)),
        params,
        variant,
      );
      for (const [k, value] of results.entries()) row.store(inputs.length + k, value);
    },
  });
}
