/**
 * The classes and functions that a checkpoint may name, as PyTorch's `weights_only=True` allows them
 * (torch/_weights_only_unpickler.py). They make descriptions: arguments are checked here, memory is allocated later.
 */
import { Device } from "../../device.ts";
import * as dt from "../../dtype.ts";
import { NotImplementedError, RuntimeError, UnpicklingError } from "../../errors.ts";
import { numelOf, shapeText } from "../../shape.ts";
import { decodeUtf8, encodeLatin1, encodeUtf8 } from "../pickle/text.ts";
import {
  type Charge,
  PyBytes,
  PyDict,
  PyGlobal,
  PyList,
  PySet,
  PySize,
  PyTuple,
  type PyValue,
  typeName,
} from "../pickle/values.ts";
import { DeviceRef, DTypeRef, ParameterRef, StorageRef, StorageType, StorageView, TensorRef } from "./values.ts";

type Call = (args: readonly PyValue[], charge: Charge) => PyValue;

const MAX_RANK = 64;

const storageTypes: readonly StorageType[] = [
  ["BoolStorage", dt.bool, 1],
  ["ByteStorage", dt.uint8, 1],
  ["CharStorage", dt.int8, 1],
  ["ShortStorage", dt.int16, 2],
  ["IntStorage", dt.int32, 4],
  ["LongStorage", dt.int64, 8],
  ["HalfStorage", dt.float16, 2],
  ["BFloat16Storage", dt.bfloat16, 2],
  ["FloatStorage", dt.float32, 4],
  ["DoubleStorage", dt.float64, 8],
  ["UntypedStorage", dt.uint8, 1],
  ["ComplexFloatStorage", null, 8],
  ["ComplexDoubleStorage", null, 16],
  ["QInt8Storage", null, 1],
  ["QUInt8Storage", null, 1],
  ["QInt32Storage", null, 4],
  ["QUInt4x2Storage", null, 1],
  ["QUInt2x4Storage", null, 1],
].map(([name, dtype, size]) => new StorageType(`torch.${name}`, dtype as dt.DType | null, size as number));

/** The name of the storage class for a dtype: `FloatStorage`. */
export function storageTypeName(dtype: dt.DType): string {
  return `${dt.scalarTypeName(dtype)}Storage`;
}

const otherDTypes =
  "bcomplex32 complex32 complex64 complex128 uint16 uint32 uint64 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2 qint8 quint8 qint32 quint4x2 quint2x4 bits8 bits16 bits1x8 bits2x4 bits4x2 uint1 uint2 uint3 uint4 uint5 uint6 uint7 int1 int2 int3 int4 int5 int6 int7".split(
    " ",
  );

const quantizationSchemes = [
  "per_tensor_affine",
  "per_tensor_symmetric",
  "per_channel_affine",
  "per_channel_symmetric",
  "per_channel_affine_float_qparams",
];

/** What Kindling lacks, so that a file with it is refused for the right reason. */
const lacking: Readonly<Record<string, string>> = {
  "builtins.complex": "complex numbers are not supported",
  "torch._utils._rebuild_qtensor": "quantized tensors are not supported",
  "torch._utils._rebuild_sparse_tensor": "sparse tensors are not supported",
  "torch._utils._rebuild_nested_tensor": "nested tensors are not supported",
  "torch._utils._rebuild_meta_tensor_no_storage": "tensors on the meta device have no values to load",
  "torch._utils._rebuild_wrapper_subclass": "subclasses of Tensor are not supported",
  "torch._utils._rebuild_device_tensor_from_numpy": "tensors saved from an XLA or similar device are not supported",
  "torch.serialization._get_layout": "layouts of sparse tensors are not supported",
};

const callables: Readonly<Record<string, Call>> = {
  "collections.OrderedDict": (args, charge) => {
    const dict = new PyDict("OrderedDict");
    if (args.length === 0) return dict;
    const items = sequence("collections.OrderedDict", args[0], charge);
    for (const item of items) {
      const pair = sequence("collections.OrderedDict", item, charge);
      if (pair.length !== 2) throw wrongArguments("collections.OrderedDict");
      dict.set(pair[0], pair[1]);
    }
    return dict;
  },
  "collections.Counter": (args, charge) => {
    const dict = new PyDict("Counter");
    if (args.length === 0) return dict;
    const from = args[0];
    if (!(from instanceof PyDict)) throw wrongArguments("collections.Counter");
    charge(from.keys.length);
    from.keys.forEach((key, i) => {
      dict.set(key, from.values[i]);
    });
    return dict;
  },
  "builtins.set": (args, charge) => new PySet(args.length === 0 ? [] : [...sequence("set", args[0], charge)]),
  "builtins.bytearray": (args, charge) => new PyBytes(bytesOf("bytearray", args, charge), true),
  "builtins.bytes": (args, charge) => new PyBytes(bytesOf("bytes", args, charge), false),
  "_codecs.encode": (args, charge) => {
    if (typeof args[0] !== "string") throw wrongArguments("_codecs.encode");
    return new PyBytes(bytesOf("_codecs.encode", args, charge), false);
  },
  "torch.Size": (args, charge) => new PySize(args.length === 0 ? [] : sequence("torch.Size", args[0], charge)),
  "torch.device": (args) => {
    const [type, index] = args;
    const match = typeof type === "string" ? /^([a-z]+)(?::(\d{1,4}))?$/.exec(type) : null;
    if (match === null || (index !== undefined && typeof index !== "number")) throw wrongArguments("torch.device");
    return new DeviceRef(new Device(match[1], index ?? (match[2] === undefined ? null : Number(match[2]))));
  },
  "torch._utils._rebuild_tensor": ([storage, offset, size, stride], charge) =>
    tensorRef(null, [storage, offset, size, stride, false], charge),
  "torch._utils._rebuild_tensor_v2": (args, charge) => {
    refuseNegated(args[6]);
    return tensorRef(null, args, charge);
  },
  "torch._utils._rebuild_tensor_v3": (args, charge) => {
    refuseNegated(args[7]);
    const type = args[6];
    if (!(type instanceof DTypeRef)) throw wrongArguments("torch._utils._rebuild_tensor_v3");
    if (type.dtype === null) throw unsupportedType(type.name);
    return tensorRef(type.dtype, args, charge);
  },
  "torch._utils._rebuild_device_tensor_from_cpu_tensor": ([data, type]) => {
    if (!(data instanceof TensorRef) || !(type instanceof DTypeRef) || type.dtype !== data.dtype) {
      throw wrongArguments("torch._utils._rebuild_device_tensor_from_cpu_tensor");
    }
    return data;
  },
  "torch._utils._rebuild_parameter": parameter,
  "torch._utils._rebuild_parameter_with_state": parameter,
  "torch.nn.parameter.Parameter": ([data, requiresGrad = true]) => parameter([data, requiresGrad]),
  // A tensor or parameter that has attributes of its own in Python; they are left out.
  "torch._tensor._rebuild_from_type_v2": ([rebuild, type, args], charge) => {
    if (!(rebuild instanceof PyGlobal) || !(type instanceof PyGlobal) || !(args instanceof PyTuple)) {
      throw wrongArguments("torch._tensor._rebuild_from_type_v2");
    }
    if (rebuild.call === null || !/^torch\._utils\._rebuild_(tensor|parameter)/.test(rebuild.name)) {
      throw new UnpicklingError(`Trying to call reduce for unrecognized function ${rebuild.name}`);
    }
    return rebuild.call(args.items, charge);
  },
};

const globals: ReadonlyMap<string, PyValue> = new Map<string, PyValue>([
  ...Object.entries(callables).map(([name, call]): [string, PyValue] => [name, new PyGlobal(name, call)]),
  ...Object.entries(lacking).map(([name, reason]): [string, PyValue] => [
    name,
    new PyGlobal(name, () => {
      throw new NotImplementedError(`this checkpoint uses ${name}: ${reason}`);
    }),
  ]),
  ...storageTypes.flatMap((type): [string, PyValue][] => {
    const { name } = type;
    const short = name.slice("torch.".length);
    return [name, `torch.cuda.${short}`, `torch.storage.${short}`].map((path) => [path, type]);
  }),
  ...dt.dtypes.map((dtype): [string, PyValue] => [String(dtype), new DTypeRef(String(dtype), dtype)]),
  ...otherDTypes.map((name): [string, PyValue] => [`torch.${name}`, new DTypeRef(`torch.${name}`, null)]),
  ["torch.Tensor", new PyGlobal("torch.Tensor", null)],
  // Of quantized tensors, which `lacking` refuses.
  ...quantizationSchemes.map((name): [string, PyValue] => [`torch.${name}`, new PyGlobal(`torch.${name}`, null)]),
]);

/** Python 2's name of the module `builtins`. */
const OLD_BUILTINS = "__builtin__";

/** The allowed class or function of this name. */
export function findGlobal(module: string, name: string): PyValue {
  const path = `${module === OLD_BUILTINS ? "builtins" : module}.${name}`;
  const found = globals.get(path);
  if (found !== undefined) return found;
  throw new UnpicklingError(refusal(path));
}

/** Why a name is refused, and what to do about it. */
function refusal(path: string): string {
  const shown = path.replace(/^builtins\./, "");
  const start = `Weights only load failed. Unsupported global: GLOBAL ${shown} was not an allowed global by default. `;
  if (/^(torch\.nn\.modules|torchvision\.models|torch\.jit|__main__)\b/.test(path)) {
    return `${start}The file holds a whole pickled module (or another object of a class), which only Python code can rebuild. In Python, save the values instead: torch.save(torch.load(path, weights_only=False).state_dict(), new_path), if you trust the file.`;
  }
  if (/^numpy\b/.test(path)) {
    return `${start}The file holds NumPy values. In Python, convert them (x.item(), torch.from_numpy(x)) and save again.`;
  }
  return `${start}Only tensors, numbers, texts and containers of them can be loaded. In Python, load the file (with weights_only=False, if you trust it), and save what you need of it without this class.`;
}

function wrongArguments(name: string): UnpicklingError {
  return new UnpicklingError(`the pickled data is damaged: wrong arguments of ${name}`);
}

function unsupportedType(name: string): NotImplementedError {
  return new NotImplementedError(`this checkpoint has a tensor of type ${name}, which Kindling does not have`);
}

/** The items of a list, tuple or set, whose number is charged. */
function sequence(caller: string, value: PyValue, charge: Charge): readonly PyValue[] {
  if (value instanceof PyList || value instanceof PyTuple || value instanceof PySet) {
    charge(value.items.length + 1);
    return value.items;
  }
  throw wrongArguments(caller);
}

function bytesOf(caller: string, [value, encoding]: readonly PyValue[], charge: Charge): Uint8Array {
  if (value === undefined) return new Uint8Array(0);
  if (value instanceof PyBytes && encoding === undefined) {
    charge(value.bytes.length);
    return value.bytes;
  }
  if (typeof value !== "string" || (encoding !== undefined && typeof encoding !== "string")) {
    throw wrongArguments(caller);
  }
  charge(value.length);
  const name = (encoding ?? "utf-8").toLowerCase().replace(/[-_]/g, "");
  const bytes =
    name === "latin1" || name === "iso88591" ? encodeLatin1(value) : name === "utf8" ? encodeUtf8(value) : null;
  if (bytes === null) throw new UnpicklingError(`text cannot be encoded as ${encoding}`);
  return bytes;
}

/** Names in a file are short. */
const MAX_NAME = 1024;

/** The text of a str that is a name, or of the bytes that Python 2 wrote for it. */
export function asText(value: PyValue): string | null {
  if (value instanceof PyBytes) return value.bytes.length > MAX_NAME ? null : decodeUtf8(value.bytes);
  return typeof value === "string" && value.length <= MAX_NAME ? value : null;
}

export function isCount(value: PyValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function counts(caller: string, value: PyValue | undefined): number[] {
  if (!(value instanceof PyTuple || value instanceof PySize || value instanceof PyList)) throw wrongArguments(caller);
  if (value.items.length > MAX_RANK) throw new UnpicklingError(`a tensor with ${value.items.length} dimensions`);
  return value.items.map((item) => {
    if (!isCount(item))
      throw new UnpicklingError(`a tensor with a size or stride of ${String(item)}: ${typeName(item)}`);
    return item;
  });
}

function refuseNegated(metadata: PyValue | undefined): void {
  if (metadata instanceof PyDict && (metadata.get("neg") === true || metadata.get("conj") === true)) {
    throw new NotImplementedError("this checkpoint has a tensor with the negative or conjugate bit set");
  }
}

/** Checks (storage, offset, size, stride, requires_grad, …) against the storage's size. */
function tensorRef(dtype: dt.DType | null, args: readonly PyValue[], charge: Charge): TensorRef {
  const [given, offset, size, stride, requiresGrad] = args;
  const view = given instanceof StorageView ? given : null;
  const storage = view === null ? given : view.root;
  const caller = "torch._utils._rebuild_tensor_v2";
  if (!(storage instanceof StorageRef) || !isCount(offset) || typeof requiresGrad !== "boolean") {
    throw wrongArguments(caller);
  }
  const type = dtype ?? storage.type.dtype;
  if (type === null) throw unsupportedType(storage.type.name.replace(/Storage$/, "Tensor"));
  const sizes = counts(caller, size);
  const strides = counts(caller, stride);
  charge(sizes.length);
  if (sizes.length !== strides.length) throw new UnpicklingError("mismatch in length of strides and shape");
  const count = numelOf(sizes);
  let last = offset;
  for (let i = 0; i < sizes.length; i++) last += (sizes[i] - 1) * strides[i];
  const available = view === null ? storage.nbytes : view.numel * storage.type.itemsize;
  const needed = count === 0 ? 0 : (last + 1) * type.itemsize;
  if (!(needed <= available)) {
    throw new RuntimeError(
      `setStorage: sizes ${shapeText(sizes)}, strides ${shapeText(strides)}, storage offset ${offset}, and itemsize ${type.itemsize} requiring a storage size of ${needed} are out of bounds for storage of size ${available}`,
    );
  }
  if (!Number.isSafeInteger(count))
    throw new UnpicklingError(`a tensor of shape ${shapeText(sizes)} has too many elements`);
  return new TensorRef(storage, type, offset + (view?.offset ?? 0), sizes, strides, requiresGrad);
}

function parameter([data, requiresGrad]: readonly PyValue[]): PyValue {
  if (!(data instanceof TensorRef) || typeof requiresGrad !== "boolean") {
    throw wrongArguments("torch._utils._rebuild_parameter");
  }
  return new ParameterRef(data, requiresGrad);
}
