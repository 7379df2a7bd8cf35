/**
 * `torch.func.functionalize`: a function without in-place changes that gives what another gives with them. Inside, tensors
 * that share memory belong to a group with one value; a change makes a new value for the group, of which views are made
 * again. https://pytorch.org/docs/stable/generated/torch.func.functionalize.html
 */
import {
  dispatch,
  dispatchInplace,
  dispatchMany,
  type Primitive,
  type UpdateOp,
  withInterceptor,
} from "../dispatch.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { as_strided } from "../ops/views.ts";
import type { Shape } from "../shape.ts";
import { lastStorageSerial, type Storage } from "../storage/storage.ts";
import { is_tensor, Tensor, type VersionCounter, type Wrapping } from "../tensor.ts";
import { living } from "../wrapping.ts";
import { Level, synchronous } from "./level.ts";
import { flatten, mapTree } from "./pytree.ts";

/** Tensors that share memory. */
class Group {
  /** The value of all of that memory. Without gaps, and from offset 0, once there is a view or a change. */
  base: Tensor;
  /** Counts changes. */
  generation = 0;
  readonly version: VersionCounter = { value: 0 };
  constructor(base: Tensor) {
    this.base = base;
  }
}

/** Reads the memory that the group has now. */
class GroupStorage {
  kept = true;
  private readonly group: Group;
  constructor(group: Group) {
    this.group = group;
  }
  get address(): number {
    return this.group.base.storage.address;
  }
  get nbytes(): number {
    return this.group.base.storage.nbytes;
  }
  get serial(): number {
    return this.group.base.storage.serial;
  }
  free(): void {}
}

/** How a view lies in its group's memory. */
interface Geometry {
  readonly sizes: Shape;
  readonly strides: Shape;
  readonly offset: number;
  readonly detached: boolean;
}

class FunctionalWrapping implements Wrapping {
  readonly level: FunctionalLevel;
  readonly group: Group;
  /** Null for the whole. */
  readonly geometry: Geometry | null;
  readonly batchDim = -1;
  private view: Tensor | null = null;
  private viewGeneration = -1;

  constructor(level: FunctionalLevel, group: Group, geometry: Geometry | null) {
    this.level = level;
    this.group = group;
    this.geometry = geometry;
  }

  get value(): Tensor {
    const { group, geometry } = this;
    if (geometry === null) return group.base;
    if (this.view === null || this.viewGeneration !== group.generation) {
      this.view = withInterceptor(this.level.below, () => {
        const view = as_strided(group.base, geometry.sizes, geometry.strides, geometry.offset);
        const copied = this.level.copiesViews ? view.clone() : view;
        return geometry.detached ? copied.detach() : copied;
      });
      this.viewGeneration = group.generation;
    }
    return this.view;
  }
}

class FunctionalLevel extends Level {
  readonly kind = "functionalize";
  /** Views are copies too. */
  readonly copiesViews: boolean;
  private readonly startSerial = lastStorageSerial();

  constructor(copiesViews: boolean) {
    super();
    this.copiesViews = copiesViews;
  }

  /** The wrapping of a tensor of this level. */
  wrappingOf(tensor: Tensor): FunctionalWrapping | null {
    const { wrapping } = tensor;
    return wrapping instanceof FunctionalWrapping && wrapping.level === this ? wrapping : null;
  }

  /** A tensor of this level with a group of its own. */
  wrap(value: Tensor): Tensor {
    return this.member(new Group(value), null, value);
  }

  private member(group: Group, geometry: Geometry | null, { dtype, sizes, strides, offset }: Tensor): Tensor {
    const storage = new GroupStorage(group) as unknown as Storage;
    const out = new Tensor(storage, dtype, sizes, strides, offset);
    out.version = group.version;
    out.wrapping = new FunctionalWrapping(this, group, geometry);
    return out;
  }

  /** What a tensor of this level stands for now; any other as it is. */
  valueOfTensor(tensor: Tensor): Tensor {
    return this.wrappingOf(tensor)?.value ?? tensor;
  }

  private anyOwned(inputs: readonly Tensor[]): boolean {
    return inputs.some((t) => this.wrappingOf(t) !== null);
  }

  call<A>(op: Primitive<A>, given: readonly Tensor[], attrs: A): Tensor {
    const inputs = living(given);
    if (op.view !== "none")
      return this.views(op, inputs, attrs, (source) => op.compute([source], attrs, null) as Tensor);
    const values = inputs.map((t) => this.valueOfTensor(t));
    const value = this.lower(() => dispatch(op, values, attrs));
    return this.anyOwned(inputs) ? this.wrap(value) : value;
  }

  callMany<A>(op: Primitive<A>, given: readonly Tensor[], attrs: A): Tensor[] {
    const inputs = living(given);
    if (op.view !== "none") {
      return this.views(op, inputs, attrs, (source) => op.compute([source], attrs, null) as Tensor[]);
    }
    const values = inputs.map((t) => this.valueOfTensor(t));
    const results = this.lower(() => dispatchMany(op, values, attrs));
    return this.anyOwned(inputs) ? results.map((value) => this.wrap(value)) : results;
  }

  callInplace<A>(op: Primitive<A>, given: readonly Tensor[], attrs: A): Tensor {
    const inputs = living(given);
    const self = inputs[0];
    if (this.wrappingOf(self) === null) {
      if (!this.anyOwned(inputs)) {
        this.lower(() => dispatchInplace(op, inputs, attrs));
        return given[0];
      }
      if (self.storage.serial <= this.startSerial) {
        throw new RuntimeError(
          "mutating a non-functional tensor with a functional tensor is not allowed. Please ensure that all of your inputs are wrapped inside of a functionalize() call.",
        );
      }
      this.adopt(self);
    }
    const values = inputs.map((t) => this.valueOfTensor(t));
    this.lower(() => {
      let value = dispatch(op, values, attrs);
      if (value.dtype !== self.dtype) value = value.to(self.dtype);
      return this.change(self, value.expand(self.sizes));
    });
    self.version.value++;
    return given[0];
  }

  callUpdate<A>(op: UpdateOp<A>): void {
    throw new NotImplementedError(`functionalize: ${op.name} overwrites several tensors and has no form that does not`);
  }

  /** A view of a tensor of this level has a place in its group; another's is made below. */
  private views<A, R extends Tensor | Tensor[]>(
    op: Primitive<A>,
    inputs: readonly Tensor[],
    attrs: A,
    geometryOf: (source: Tensor) => R,
  ): R {
    const source = inputs[0];
    if (this.wrappingOf(source) === null) {
      if (source.storage.serial <= this.startSerial) {
        return this.lower(() => (op.view === "multi_view" ? dispatchMany : dispatch)(op, inputs, attrs)) as R;
      }
      this.adopt(source);
    }
    const wrapping = this.wrappingOf(source) as FunctionalWrapping;
    this.settle(source, wrapping.group);
    const { dtype, sizes, strides, offset } = source;
    const part = (view: Tensor): Tensor => {
      if (view.dtype !== dtype) throw new NotImplementedError(`functionalize: ${op.name} with another dtype`);
      const detached = op.view === "alias" || (wrapping.geometry?.detached ?? false);
      const geometry = { sizes: view.sizes, strides: view.strides, offset: view.offset, detached };
      return this.member(wrapping.group, geometry, view);
    };
    const found = geometryOf(new Tensor(source.storage, dtype, sizes, strides, offset));
    return (Array.isArray(found) ? found.map(part) : part(found)) as R;
  }

  /** Before a group has views: its memory is without gaps, so that they can be made again of any later value. */
  private settle(tensor: Tensor, group: Group): void {
    const { base } = group;
    if (base.contiguousLayout && base.offset === 0) return;
    group.base = this.lower(() => base.clone({ memory_format: "contiguous_format" }));
    tensor.strides = group.base.strides;
    tensor.offset = 0;
    tensor.contiguousLayout = true;
  }

  /** Gives a tensor another value, and with it all that share its memory. Called at the level below. */
  private change(tensor: Tensor, value: Tensor): void {
    const { group, geometry } = this.wrappingOf(tensor) as FunctionalWrapping;
    if (geometry === null) {
      group.base = value.contiguous();
      tensor.strides = group.base.strides;
      tensor.offset = group.base.offset;
      tensor.contiguousLayout = true;
    } else {
      group.base = group.base.as_strided_scatter(value, geometry.sizes, geometry.strides, geometry.offset);
    }
    group.generation++;
  }

  /** Makes a tensor that the function has made by a factory one of this level. */
  private adopt(tensor: Tensor): void {
    const { storage, dtype, sizes, strides, offset, contiguousLayout } = tensor;
    const value = new Tensor(storage, dtype, sizes, strides, offset, contiguousLayout);
    value.wrapping = tensor.wrapping;
    value.version = tensor.version;
    const group = new Group(value);
    tensor.version = group.version;
    tensor.storage = new GroupStorage(group) as unknown as Storage;
    tensor.wrapping = new FunctionalWrapping(this, group, null);
  }
}

export interface FunctionalizeOptions {
  /** "mutations": in-place changes alone; "mutations_and_views": views become copies too. Default "mutations". */
  readonly remove?: "mutations" | "mutations_and_views";
}

/**
 * A function that gives what `func` gives, computed without in-place changes; with `remove: "mutations_and_views"` also
 * without views. Where `func` changes its arguments, their new values are copied into them at the end.
 */
export function functionalize<A extends unknown[], R>(
  func: (...args: A) => R,
  options: FunctionalizeOptions = {},
): (...args: A) => R {
  const { remove = "mutations" } = options;
  if (remove !== "mutations" && remove !== "mutations_and_views") {
    throw new RuntimeError(
      `functionalize(f, remove='mutations'): received invalid argument for remove=${String(remove)}. Valid options are:\n     remove='mutations': all inplace and out= operators will be removed from the program, and replaced with their out-of-place equivalents.\n     remove='mutations_and_views': In addition to the above, all aliasing operators {view} will be replaced with their non-aliasing counterparts, {view}_copy.\n`,
    );
  }
  return (...args) => {
    const level = new FunctionalLevel(remove === "mutations_and_views");
    return level.run(() => {
      const wrapped = mapTree(args, (x) => (is_tensor(x) ? level.wrap(x) : x)) as A;
      const inside = flatten(wrapped).leaves;
      const before = flatten(args).leaves;
      const result = synchronous("functionalize", func(...wrapped));
      const outside = mapTree(result, (x) => (is_tensor(x) ? level.valueOfTensor(x) : x)) as R;
      level.lower(() => {
        before.forEach((original, i) => {
          if (!is_tensor(original)) return;
          const { group, value } = level.wrappingOf(inside[i] as Tensor) as FunctionalWrapping;
          if (group.generation > 0) original.copy_(value);
        });
      });
      return outside;
    });
  };
}
