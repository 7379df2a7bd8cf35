/** Storages, tensors, dtypes and devices as the unpickler meets them, before any memory is allocated. */
import type { Device } from "../../device.ts";
import type { DType } from "../../dtype.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Tensor } from "../../tensor.ts";
import { PyGlobal, PyOpaque } from "../pickle/values.ts";

/** A class such as `torch.FloatStorage`: how elements are stored. */
export class StorageType extends PyGlobal {
  /** Null for a type that Kindling does not have, or if there is none (`untyped`). */
  readonly dtype: DType | null;
  readonly itemsize: number;
  constructor(name: string, dtype: DType | null, itemsize: number) {
    super(name, null);
    this.dtype = dtype;
    this.itemsize = itemsize;
  }
}

/** Memory that tensors share; its bytes are in the file. */
export class StorageRef extends PyOpaque {
  readonly type: StorageType;
  /** Its name in the file. */
  readonly key: string;
  readonly nbytes: number;
  /** The memory, once it is read. */
  memory: Storage | null = null;
  constructor(type: StorageType, key: string, nbytes: number) {
    super();
    this.type = type;
    this.key = key;
    this.nbytes = nbytes;
  }
  override get typeName(): string {
    return this.type.name;
  }
}

/** A part of a storage, which files before PyTorch 0.4 have: an offset in elements, and how many there are. */
export class StorageView extends PyOpaque {
  readonly root: StorageRef;
  readonly offset: number;
  readonly numel: number;
  constructor(root: StorageRef, offset: number, numel: number) {
    super();
    this.root = root;
    this.offset = offset;
    this.numel = numel;
  }
  override get typeName(): string {
    return this.root.typeName;
  }
}

/** A tensor: checked against its storage, not yet made. */
export class TensorRef extends PyOpaque {
  readonly storage: StorageRef;
  readonly dtype: DType;
  /** In elements. */
  readonly offset: number;
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  readonly requiresGrad: boolean;
  /** The tensor, once it is made. */
  tensor: Tensor | null = null;
  constructor(
    storage: StorageRef,
    dtype: DType,
    offset: number,
    sizes: readonly number[],
    strides: readonly number[],
    requiresGrad: boolean,
  ) {
    super();
    this.storage = storage;
    this.dtype = dtype;
    this.offset = offset;
    this.sizes = sizes;
    this.strides = strides;
    this.requiresGrad = requiresGrad;
  }
  override get typeName(): string {
    return "Tensor";
  }
}

/** `torch.nn.Parameter`. */
export class ParameterRef extends PyOpaque {
  readonly data: TensorRef;
  readonly requiresGrad: boolean;
  constructor(data: TensorRef, requiresGrad: boolean) {
    super();
    this.data = data;
    this.requiresGrad = requiresGrad;
  }
  override get typeName(): string {
    return "Parameter";
  }
}

/** `torch.float32`; `dtype` is null for one that Kindling does not have. */
export class DTypeRef extends PyOpaque {
  readonly name: string;
  readonly dtype: DType | null;
  constructor(name: string, dtype: DType | null) {
    super();
    this.name = name;
    this.dtype = dtype;
  }
  override get typeName(): string {
    return "torch.dtype";
  }
}

export class DeviceRef extends PyOpaque {
  readonly device: Device;
  constructor(device: Device) {
    super();
    this.device = device;
  }
  override get typeName(): string {
    return "torch.device";
  }
}
