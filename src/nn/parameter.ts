/** Parameters: tensors that modules register when they are assigned to a field. */
import type { Device } from "../device.ts";
import type { DType } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { empty } from "../ops/creation.ts";
import { is_tensor, Tensor } from "../tensor.ts";
// Tensors have their methods, whichever entry point is loaded.
import "../ops/methods.ts";

/** A tensor that is a parameter of the module it is assigned to. Shares the memory of `data`. */
export class Parameter extends Tensor {
  /** @internal */ readonly isParameter = true;

  constructor(data: Tensor, requires_grad: boolean | { requires_grad?: boolean } = true) {
    if (!is_tensor(data)) throw new TypeError("Parameter(): argument 'data' must be a Tensor");
    super(data.storage, data.dtype, data.sizes, data.strides, data.offset, data.contiguousLayout);
    this.version = data.version;
    data.storage.kept = true;
    const required = typeof requires_grad === "boolean" ? requires_grad : (requires_grad.requires_grad ?? true);
    if (required) this.requires_grad = true;
  }
}

/** A tensor that is part of a module's state but not trained: PyTorch's `nn.Buffer`. */
export class Buffer extends Tensor {
  /** @internal */ readonly persistent: boolean;

  constructor(data: Tensor, options: { persistent?: boolean } = {}) {
    if (!is_tensor(data)) throw new TypeError("Buffer(): argument 'data' must be a Tensor");
    super(data.storage, data.dtype, data.sizes, data.strides, data.offset, data.contiguousLayout);
    this.version = data.version;
    data.storage.kept = true;
    this.persistent = options.persistent ?? true;
  }
}

interface UninitializedOptions {
  readonly requires_grad?: boolean;
  readonly dtype?: DType | null;
  readonly device?: string | Device | null;
}

function unknownShape(): never {
  throw new RuntimeError(
    "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` to initialize the parameters before accessing their attributes.",
  );
}

/** A parameter of a lazy module, whose shape is not known yet. */
export class UninitializedParameter extends Parameter {
  constructor({ requires_grad = true, dtype, device }: UninitializedOptions = {}) {
    super(empty([0], { dtype, device }), requires_grad);
  }
  override get shape(): readonly number[] {
    return unknownShape();
  }
  /** Gives it a shape, and memory that is not cleared; it is an ordinary parameter then. */
  materialize(shape: readonly number[], dtype: DType | null = null): void {
    this.data = empty([...shape], { dtype: dtype ?? this.dtype });
    Object.setPrototypeOf(this, Parameter.prototype);
  }
}

/** A buffer of a lazy module, whose shape is not known yet. */
export class UninitializedBuffer extends Buffer {
  constructor({ dtype, device }: UninitializedOptions = {}) {
    super(empty([0], { dtype, device }));
  }
  override get shape(): readonly number[] {
    return unknownShape();
  }
  /** Gives it a shape, and memory that is not cleared; it is an ordinary buffer then. */
  materialize(shape: readonly number[], dtype: DType | null = null): void {
    this.data = empty([...shape], { dtype: dtype ?? this.dtype });
    Object.setPrototypeOf(this, Buffer.prototype);
  }
}
