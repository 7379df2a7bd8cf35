/** Updates of several tensors in one kernel: what optimizers are made of. */
import { dispatchUpdate, type UpdateOp } from "../dispatch.ts";
import { RuntimeError } from "../errors.ts";
import { type ComputeType, computeType, type Expr } from "../ir/expr.ts";
import { sameShape, shapeText } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { runRow } from "./row.ts";
import { MOST_TOGETHER, runTogether } from "./update-together.ts";

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

/** Calls that one launch will serve. */
interface Pending {
  readonly spec: UpdateSpec;
  readonly attrs: UpdateAttrs;
  readonly calls: (readonly Tensor[])[];
}

let pending: Pending[] | null = null;

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
    compute: (inputs, attrs) => {
      if (pending !== null && inputs.every(isPlain)) addPending(pending, spec, inputs, attrs);
      else run(spec, inputs, attrs);
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

/**
 * Runs `body`, whose updates may wait until it ends: those that differ in their tensors only are then one launch. `body` must
 * not read what its updates write.
 */
export function updateTogether(body: () => void): void {
  if (pending !== null) {
    body();
    return;
  }
  const mine: Pending[] = [];
  pending = mine;
  try {
    body();
  } finally {
    pending = null;
    // Also after an error: what was counted as changed is.
    for (const { spec, attrs, calls } of mine) {
      if (calls.length === 1) run(spec, calls[0], attrs);
      else runTogether(spec, calls, attrs.scalars, attrs.variant);
    }
  }
}

function isPlain(t: Tensor): boolean {
  return t.contiguousLayout && t.count > 0;
}

function addPending(list: Pending[], spec: UpdateSpec, inputs: readonly Tensor[], attrs: UpdateAttrs): void {
  for (let i = list.length - 1; i >= 0; i--) {
    const candidate = list[i];
    if (
      candidate.spec === spec &&
      candidate.calls.length < MOST_TOGETHER &&
      candidate.attrs.variant === attrs.variant &&
      sameShape(candidate.attrs.scalars, attrs.scalars) &&
      sameDTypes(candidate.calls[0], inputs)
    ) {
      candidate.calls.push(inputs);
      return;
    }
  }
  list.push({ spec, attrs, calls: [inputs] });
}

function sameDTypes(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i].dtype !== b[i].dtype) return false;
  return true;
}

function run(spec: UpdateSpec, inputs: readonly Tensor[], { scalars, variant }: UpdateAttrs): void {
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
