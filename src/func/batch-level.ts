/**
 * The level of vmap: its tensors stand for tensors with one more dimension, the batch. A call is answered by the op's
 * batching rule with calls on the level below; a view without a rule follows its strides; any other op without a rule
 * runs once for each sample.
 */

import {
  type BatchedCall,
  type CallForm,
  dispatch,
  dispatchInplace,
  dispatchMany,
  dispatchUpdate,
  forSamples,
  type Primitive,
  type UpdateOp,
} from "../dispatch.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { zeros } from "../ops/creation.ts";
import { again } from "../ops/define/batch.ts";
import { stack } from "../ops/joining.ts";
import { as_strided, permute, select } from "../ops/views.ts";
import { Tensor } from "../tensor.ts";
import { living, wrapBatched } from "../wrapping.ts";
import { Level } from "./level.ts";

export type Randomness = "error" | "same" | "different";

export class BatchLevel extends Level {
  readonly kind = "vmap";
  readonly size: number;
  readonly randomness: Randomness;

  constructor(size: number, randomness: Randomness) {
    super();
    this.size = size;
    this.randomness = randomness;
  }

  /** Whether a tensor is one of this level. */
  owns(tensor: Tensor): boolean {
    return tensor.wrapping !== null && tensor.wrapping.level === this;
  }

  private anyOwned(inputs: readonly Tensor[]): boolean {
    for (let i = 0; i < inputs.length; i++) if (this.owns(inputs[i])) return true;
    return false;
  }

  /** Of an owned tensor, what it stands for, with the batch as its first dimension. To be called at the level below. */
  samplesFirst(tensor: Tensor): Tensor {
    const { wrapping } = tensor;
    if (wrapping === null || wrapping.level !== this) return tensor;
    const { value, batchDim } = wrapping;
    return batchDim === 0 ? value : toFront(value, batchDim);
  }

  /** All samples of a result, along the first dimension. To be called at the level below. */
  whole(tensor: Tensor): Tensor {
    const values = this.samplesFirst(tensor);
    return this.owns(tensor) ? values : values.unsqueeze(0).expand(this.size, ...values.sizes);
  }

  call<A>(op: Primitive<A>, given: readonly Tensor[], attrs: A): Tensor {
    const inputs = living(given);
    if (op.random === true) return this.sampled(op, inputs, attrs);
    if (!this.anyOwned(inputs)) return this.lower(() => dispatch(op, inputs, attrs));
    return wrapBatched(
      this.lower(() => this.apply(op, inputs, attrs, "one") as Tensor),
      0,
      this,
    );
  }

  callMany<A>(op: Primitive<A>, given: readonly Tensor[], attrs: A): Tensor[] {
    const inputs = living(given);
    if (!this.anyOwned(inputs)) return this.lower(() => dispatchMany(op, inputs, attrs));
    const results = this.lower(() => this.apply(op, inputs, attrs, "many") as Tensor[]);
    return results.map((value) => wrapBatched(value, 0, this));
  }

  callInplace<A>(op: Primitive<A>, given: readonly Tensor[], attrs: A): Tensor {
    const inputs = living(given);
    const self = inputs[0];
    if (op.random === true && this.randomness !== "different") {
      this.checkRandomness(false);
      if (this.owns(self)) return this.sampledOnce(op, inputs, attrs);
    }
    if (!this.owns(self)) {
      if (op.random === true && this.randomness === "different") {
        throw new RuntimeError(
          "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like same randomness. If this is necessary for your usage, please file an issue with functorch.",
        );
      }
      if (this.anyOwned(inputs)) throw inplaceError();
      this.lower(() => dispatchInplace(op, inputs, attrs));
      return given[0];
    }
    this.lower(() => this.apply(op, inputs, attrs, "inplace"));
    return given[0];
  }

  callUpdate<A>(op: UpdateOp<A>, given: readonly Tensor[], attrs: A): void {
    const inputs = living(given);
    if (!this.anyOwned(inputs)) {
      this.lower(() => dispatchUpdate(op, inputs, attrs));
      return;
    }
    for (const i of op.writes) if (!this.owns(inputs[i])) throw inplaceError();
    this.lower(() => {
      const batched = inputs.map((t) => this.owns(t));
      const values = inputs.map((t) => this.samplesFirst(t));
      for (let i = 0; i < this.size; i++) dispatchUpdate(op, samplesAt(values, batched, i), attrs);
    });
  }

  override forSamples(sizes: readonly number[], make: (sizes: readonly number[]) => Tensor): Tensor {
    if (this.randomness !== "different") return super.forSamples(sizes, make);
    return wrapBatched(
      this.lower(() => forSamples([this.size, ...sizes], make)),
      0,
      this,
    );
  }

  private checkRandomness(batched: boolean): void {
    if (this.randomness === "error") {
      throw new RuntimeError(
        "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness flags on vmap or perform the randomness operation out of vmap",
      );
    }
    if (this.randomness === "same" && batched) {
      throw new RuntimeError(
        "Vmap does not currently support same randomness with a batched tensor input. Please rerun with `randomness='different'`",
      );
    }
  }

  /** A random op that gives a new tensor. */
  private sampled<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor {
    this.checkRandomness(this.anyOwned(inputs));
    if (this.randomness === "same") return this.lower(() => dispatch(op, inputs, attrs));
    const value = this.lower(() => {
      if (inputs.length === 0) return stack(Array.from({ length: this.size }, () => dispatch(op, inputs, attrs)));
      const values = inputs.map((t) => this.whole(t));
      const call = {
        op,
        inputs,
        values,
        batched: values.map(() => true),
        attrs,
        size: this.size,
        form: "one" as const,
      };
      return (op.batch?.(call) ?? forEachSample(call)) as Tensor;
    });
    return wrapBatched(value, 0, this);
  }

  /** The same random numbers written over all samples. */
  private sampledOnce<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor {
    const self = inputs[0];
    if (this.anyOwned(inputs.slice(1))) this.checkRandomness(true);
    this.lower(() => {
      const once = zeros(self.sizes, { dtype: self.dtype });
      dispatchInplace(op, [once, ...inputs.slice(1)], attrs);
      this.samplesFirst(self).copy_(once);
    });
    return self;
  }

  private apply<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A, form: CallForm): Tensor | Tensor[] {
    if (op.batch === undefined && op.view !== "none") return this.viewByStrides(op, inputs, attrs);
    const batched = inputs.map((t) => this.owns(t));
    const values = inputs.map((t) => this.samplesFirst(t));
    const call = { op, inputs, values, batched, attrs, size: this.size, form };
    return op.batch?.(call) ?? forEachSample(call);
  }

  /** A view of all samples at once: the one of a sample, and the stride of the batch. */
  private viewByStrides<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor | Tensor[] {
    const x = inputs[0];
    const { value, batchDim } = x.wrapping as NonNullable<Tensor["wrapping"]>;
    const sample = new Tensor(x.storage, x.dtype, x.sizes, x.strides, x.offset);
    const views = op.compute([sample], attrs, null);
    const whole = (view: Tensor): Tensor => {
      if (view.dtype !== x.dtype) {
        throw new NotImplementedError(`vmap: ${op.name} to another dtype is not supported on a batched tensor`);
      }
      return as_strided(value, [this.size, ...view.sizes], [value.strides[batchDim], ...view.strides], view.offset);
    };
    return Array.isArray(views) ? views.map(whole) : whole(views);
  }
}

function toFront(value: Tensor, dim: number): Tensor {
  const order = [dim];
  for (let d = 0; d < value.sizes.length; d++) if (d !== dim) order.push(d);
  return permute(value, order);
}

function samplesAt(values: readonly Tensor[], batched: readonly boolean[], i: number): Tensor[] {
  return values.map((t, k) => (batched[k] ? select(t, 0, i) : t));
}

const warned = new Set<string>();

/** Runs an op that has no batching rule once for each sample. */
function forEachSample<A>(call: BatchedCall<A>): Tensor | Tensor[] {
  const { op, values, batched, attrs, size, form } = call;
  if (!warned.has(op.name)) {
    warned.add(op.name);
    console.warn(
      `There is a performance drop because we have not yet implemented the batching rule for aten::${op.name}. It runs once for each sample.`,
    );
  }
  if (form !== "inplace" && size === 0) {
    throw new RuntimeError(`The fallback path does not support vmap over dims of size 0: aten::${op.name}`);
  }
  const results: (Tensor | Tensor[])[] = [];
  for (let i = 0; i < size; i++) results.push(again(call, attrs, samplesAt(values, batched, i)));
  if (form === "inplace") return values[0];
  if (form === "one") return stack(results as Tensor[], 0);
  const lists = results as Tensor[][];
  return lists[0].map((_, k) =>
    stack(
      lists.map((list) => list[k]),
      0,
    ),
  );
}

function inplaceError(): RuntimeError {
  return new RuntimeError(
    "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that has more elements than `self`. This happened due to `other` being vmapped over but `self` not being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace arithmetic. If said operator is being called inside the PyTorch framework, please file a bug report instead.",
  );
}
