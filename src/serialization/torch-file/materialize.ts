/** From descriptions to tensors: memory is allocated and filled, then values are made. */
import "../../ops/methods.ts";
import * as dt from "../../dtype.ts";
import { NotImplementedError, UnpicklingError } from "../../errors.ts";
import { Parameter } from "../../nn/parameter.ts";
import { heap, Storage } from "../../storage/storage.ts";
import { Tensor } from "../../tensor.ts";
import { toJavaScript } from "../pickle/to-javascript.ts";
import { type PyGlobal, PyOpaque, type PyValue } from "../pickle/values.ts";
import { normalizeBooleans, swapBytes } from "../tensor-data.ts";
import { DeviceRef, DTypeRef, ParameterRef, type StorageRef, TensorRef } from "./values.ts";

/**
 * Allocates the memory of `ref` and fills it by `read`, which copies to where it is told (see `ByteSource.readInto`).
 * `swap`: the file has the bytes of each element in the other order.
 */
export async function loadStorage(
  ref: StorageRef,
  read: (target: (done: number) => Uint8Array) => Promise<void>,
  swap: boolean,
): Promise<void> {
  const { nbytes, type } = ref;
  const memory = new Storage(nbytes);
  const place = (done: number): Uint8Array => {
    const { address } = memory;
    return heap.u8.subarray(address + done, address + nbytes);
  };
  if (nbytes > 0) await read(place);
  if (swap) swapBytes(place(0), type.itemsize);
  if (type.dtype === dt.bool) normalizeBooleans(place(0));
  ref.memory = memory;
}

/** The values of an unpickled object whose storages are loaded. */
export function materialize(root: PyValue): unknown {
  return toJavaScript(root, convertOpaque);
}

function convertOpaque(value: PyOpaque | PyGlobal): unknown {
  if (value instanceof TensorRef) return tensorOf(value);
  if (value instanceof ParameterRef) return new Parameter(dataOf(value.data), value.requiresGrad);
  if (value instanceof DeviceRef) return value.device;
  if (value instanceof DTypeRef) {
    if (value.dtype === null)
      throw new NotImplementedError(`this checkpoint names ${value.name}, which Kindling does not have`);
    return value.dtype;
  }
  if (value instanceof PyOpaque) {
    throw new NotImplementedError(`this checkpoint has a bare ${value.typeName}; only tensors can be loaded`);
  }
  throw new UnpicklingError(`this checkpoint has the class ${value.name} itself as a value`);
}

function dataOf({ storage, dtype, offset, sizes, strides }: TensorRef): Tensor {
  return new Tensor(storage.memory as Storage, dtype, sizes, strides, offset);
}

function tensorOf(ref: TensorRef): Tensor {
  if (ref.tensor === null) {
    ref.tensor = dataOf(ref);
    if (ref.requiresGrad) ref.tensor.requires_grad_(true);
  }
  return ref.tensor;
}
