/**
 * The level of grad, vjp and jvp: its tensors share their memory with those of the level below and have a history of their
 * own. A call runs on the level below, then its results get their history here, by the same steps as in ordinary dispatch.
 */
import { is_grad_enabled, withGradMode } from "../autograd/mode.ts";
import {
  afterInplace,
  afterInplaceTangents,
  beforeInplace,
  beforeInplaceTangents,
  dispatch,
  dispatchInplace,
  dispatchMany,
  dispatchUpdate,
  type Primitive,
  record,
  recordMany,
  setInterceptor,
  type UpdateOp,
} from "../dispatch.ts";
import { RuntimeError } from "../errors.ts";
import { lastStorageSerial } from "../storage/storage.ts";
import type { Tensor } from "../tensor.ts";
import { aliasOf, living, wrapAutograd } from "../wrapping.ts";
import { Level } from "./level.ts";

export class AutogradLevel extends Level {
  readonly kind = "autograd";
  /** Storages made later were made inside the transformation. */
  private readonly startSerial = lastStorageSerial();

  /** What a tensor of this level stands for; any other tensor as it is. */
  unwrapped(tensor: Tensor): Tensor {
    const { wrapping } = tensor;
    return wrapping !== null && wrapping.level === this ? wrapping.value : tensor;
  }

  private owns(tensor: Tensor): boolean {
    return tensor.wrapping !== null && tensor.wrapping.level === this;
  }

  private anyOwned(inputs: readonly Tensor[]): boolean {
    for (let i = 0; i < inputs.length; i++) if (this.owns(inputs[i])) return true;
    return false;
  }

  private valuesBelow(inputs: readonly Tensor[]): Tensor[] {
    const values = new Array<Tensor>(inputs.length);
    for (let i = 0; i < inputs.length; i++) values[i] = this.unwrapped(inputs[i]);
    return values;
  }

  /**
   * The inputs as this level records them: what has a history or a tangent at a lower level is a constant here, so in its
   * place there is a tensor of this level that has none.
   */
  private shielded(inputs: readonly Tensor[]): readonly Tensor[] {
    for (let i = 0; i < inputs.length; i++) {
      if (!this.owns(inputs[i]) && hasDerivative(inputs[i])) {
        return inputs.map((t) => (!this.owns(t) && hasDerivative(t) ? wrapAutograd(t, this) : t));
      }
    }
    return inputs;
  }

  /** Whether the level below records: where the transformation was called in no_grad, it does not. */
  private get lowerGradMode(): boolean {
    return this.outerGradMode && is_grad_enabled();
  }

  override lower<R>(body: () => R): R {
    const mode = this.lowerGradMode;
    setInterceptor(this.below);
    try {
      return mode === is_grad_enabled() ? body() : withGradMode(mode, body);
    } finally {
      setInterceptor(this);
    }
  }

  call<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor {
    const sources = op.view === "none" ? living(inputs) : this.adopted(living(inputs));
    const values = this.valuesBelow(sources);
    const value = this.lower(() => dispatch(op, values, attrs));
    // What does not depend on this level is a constant to it.
    if (!this.anyOwned(sources)) return value;
    const output = wrapAutograd(value, this);
    record(op, this.shielded(sources), attrs, output);
    return output;
  }

  callMany<A>(op: Primitive<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
    const sources = op.view === "none" ? living(inputs) : this.adopted(living(inputs));
    const values = this.valuesBelow(sources);
    const results = this.lower(() => dispatchMany(op, values, attrs));
    if (!this.anyOwned(sources)) return results;
    const outputs = results.map((value) => wrapAutograd(value, this));
    recordMany(op, this.shielded(sources), attrs, outputs);
    return outputs;
  }

  callInplace<A>(op: Primitive<A>, given: readonly Tensor[], attrs: A): Tensor {
    const inputs = living(given);
    const self = inputs[0];
    if (!this.owns(self)) {
      if (!this.anyOwned(inputs) && !this.isCaptured(self)) {
        const values = this.valuesBelow(inputs);
        this.lower(() => dispatchInplace(op, values, attrs));
        return given[0];
      }
      if (this.isCaptured(self)) throw capturedError(op.name);
      this.adopt(self);
    }
    const sources = this.shielded(inputs);
    const node = beforeInplace(op, sources, attrs);
    const tangents = beforeInplaceTangents(op, sources);
    const values = this.valuesBelow(inputs);
    this.lower(() => dispatchInplace(op, values, attrs));
    if (node !== null) afterInplace(self, node);
    if (tangents !== null) afterInplaceTangents(op, tangents, attrs, self);
    return given[0];
  }

  callUpdate<A>(op: UpdateOp<A>, given: readonly Tensor[], attrs: A): void {
    const inputs = living(given);
    for (const i of op.writes) if (!this.owns(inputs[i]) && this.isCaptured(inputs[i])) throw capturedError(op.name);
    const values = this.valuesBelow(inputs);
    this.lower(() => dispatchUpdate(op, values, attrs));
  }

  /** Whether a tensor of a lower level was there before the transformation began. */
  private isCaptured(tensor: Tensor): boolean {
    return tensor.leafRequiresGrad || tensor.storage.serial <= this.startSerial;
  }

  /**
   * Before a view of it is made: a tensor made inside the transformation, by a factory, may be overwritten later by one
   * that has a history here.
   */
  private adopted(inputs: readonly Tensor[]): readonly Tensor[] {
    const source = inputs[0];
    if (!this.owns(source) && !this.isCaptured(source)) this.adopt(source);
    return inputs;
  }

  /** Makes a tensor of the level below, which nobody but the transformed function has, one of this level. */
  private adopt(tensor: Tensor): void {
    const value = aliasOf(tensor);
    value.viewInfo = tensor.viewInfo;
    value.gradFn = tensor.gradFn;
    value.outputNumber = tensor.outputNumber;
    value.gradFnVersion = tensor.gradFnVersion;
    value.tangent = tensor.tangent;
    tensor.viewInfo = null;
    tensor.gradFn = null;
    tensor.outputNumber = 0;
    tensor.tangent = null;
    tensor.wrapping = { level: this, value, batchDim: -1 };
  }
}

/** Whether a tensor has a history or a tangent at its own level. */
function hasDerivative(t: Tensor): boolean {
  if (t.leafRequiresGrad || t.gradFn !== null || t.tangent !== null) return true;
  return t.viewInfo !== null && (t.requires_grad || t.viewInfo.base.tangent !== null);
}

function capturedError(name: string): RuntimeError {
  const shown = name.endsWith("_") ? name : `${name}_`;
  return new RuntimeError(
    `During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place operation (aten::${shown}) that would mutate a captured Tensor. This is not supported; please rewrite the function being transformed to explicitly accept the mutated Tensor(s) as inputs.`,
  );
}
