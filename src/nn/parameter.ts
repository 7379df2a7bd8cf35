/** Parameters: tensors that modules register when they are assigned to a field. */
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
    if (required) this.requires_grad_(true);
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
