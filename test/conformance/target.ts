/** Kindling as the conformance suite sees it: a namespace looked up by name, so that a missing op is a failing test. */
import { CheckingBackend, type KernelMismatch } from "../../src/backend/checking.ts";
import type { Golden, GoldenTensor, Sample, Values } from "./golden.ts";
import { isTensor, storedBytes, stridedCopy } from "./golden.ts";

export interface TensorLike {
  readonly shape: readonly number[];
  readonly dtype: { readonly name: string };
  contiguous(): TensorLike;
  detach(): TensorLike;
  typed_array(): Values;
  stride(): readonly number[];
  to(dtype: unknown): TensorLike;
  reshape(shape: number[]): TensorLike;
  as_strided(shape: number[], strides: number[], offset: number): TensorLike;
  requires_grad_(): TensorLike;
  fill_(value: number): TensorLike;
  readonly requires_grad: boolean;
}

export type Namespace = Record<string, unknown>;
type Callable = (...args: unknown[]) => unknown;

export interface Api {
  torch: Namespace;
  functional: Namespace;
  prototype: Namespace;
}

/**
 * Lets the interpreter repeat every kernel that runs from now on, and collects where it disagrees with the code generator.
 * The kernels are caught at launch, so this covers whatever the suite happens to produce.
 */
export async function checkKernels(): Promise<{ backend: CheckingBackend; mismatches: KernelMismatch[] }> {
  const { setBackend } = await import("../../src/ops/launch.ts");
  const mismatches: KernelMismatch[] = [];
  let backend: CheckingBackend | undefined;
  setBackend((_, current) => {
    backend = new CheckingBackend(current, { onMismatch: (error) => mismatches.push(error) });
    return backend;
  });
  return { backend: backend as CheckingBackend, mismatches };
}

/** Loads Kindling; rejects with the reason where it does not load. */
export async function loadApi(): Promise<Api> {
  const torch = (await import(new URL("../../src/index.ts", import.meta.url).href)) as Namespace;
  let functional = (torch.nn as Namespace | undefined)?.functional as Namespace | undefined;
  if (!functional) {
    const path = new URL("../../src/nn/functional.ts", import.meta.url).href;
    functional = await import(path).then(
      (m) => m as Namespace,
      () => ({}),
    );
  }
  const prototype = ((torch.Tensor as { prototype?: Namespace } | undefined)?.prototype ?? {}) as Namespace;
  return { torch, functional: functional as Namespace, prototype };
}

export function isTensorLike(value: unknown): value is TensorLike {
  return typeof value === "object" && value !== null && typeof (value as TensorLike).typed_array === "function";
}

/** The public name of the target of a sample. */
export function publicName(fn: string): string {
  if (fn === "getitem") return "Tensor.index";
  return fn.replace(/^prop\./, "Tensor.").replace(/^F\./, "torch.nn.functional.");
}

export function hasTarget(api: Api, fn: string): boolean {
  if (fn === "getitem") return typeof api.prototype.index === "function";
  const name = fn.slice(fn.indexOf(".") + 1);
  if (fn.startsWith("prop.")) return name in api.prototype;
  const space = fn.startsWith("torch.") ? api.torch : fn.startsWith("F.") ? api.functional : api.prototype;
  return typeof space[name] === "function";
}

/** Calls the target of a sample with decoded arguments. */
export function callTarget(api: Api, fn: string, args: unknown[], kwargs: Namespace): unknown {
  const tail = Object.keys(kwargs).length > 0 ? [kwargs] : [];
  if (fn === "getitem") return callMethod(args[0], "index", [args[1]], {});
  const name = fn.slice(fn.indexOf(".") + 1);
  if (fn.startsWith("prop.")) return (args[0] as Namespace)[name];
  if (fn.startsWith("Tensor.")) return callMethod(args[0], name, args.slice(1), kwargs);
  const space = fn.startsWith("torch.") ? api.torch : api.functional;
  return (space[name] as Callable)(...args, ...tail);
}

export function callMethod(self: unknown, name: string, args: unknown[], kwargs: Namespace): unknown {
  const tail = Object.keys(kwargs).length > 0 ? [kwargs] : [];
  const method = (self as Record<string, Callable | undefined>)[name];
  if (typeof method !== "function") throw new TypeError(`Tensor.${name} is missing`);
  return method.call(self, ...args, ...tail);
}

/** A tensor with exactly the recorded bytes, strides and offset. */
export function makeTensor(api: Api, tensor: GoldenTensor, blob: Uint8Array, withGrad: boolean): TensorLike {
  const dtype = api.torch[tensor.t];
  let made: TensorLike;
  if (tensor.n === 0) {
    made = (api.torch.empty as Callable)(tensor.shape, { dtype }) as TensorLike;
  } else {
    const flat = (api.torch.frombuffer as Callable)(storedBytes(tensor, blob), { dtype }) as TensorLike;
    made = tensor.strides
      ? flat.as_strided(tensor.shape, tensor.strides, tensor.offset ?? 0)
      : flat.reshape(tensor.shape);
  }
  return withGrad && tensor.grad ? made.requires_grad_() : made;
}

export interface Call {
  args: unknown[];
  kwargs: Namespace;
  /** The tensors among the arguments, in order, beside their recorded form. */
  tensors: { made: TensorLike; golden: GoldenTensor }[];
}

/** Fresh arguments for a sample: as recorded, or as strided copies of the same values. */
export function makeCall(
  api: Api,
  sample: Sample,
  blob: Uint8Array,
  options: { grad?: boolean; strided?: boolean } = {},
): Call {
  const tensors: Call["tensors"] = [];
  const decode = (value: Golden): unknown => {
    if (Array.isArray(value)) return value.map(decode);
    if (typeof value !== "object" || value === null) return value;
    if (isTensor(value)) {
      const source = options.strided ? stridedCopy(value, blob) : { tensor: value, blob };
      const made = makeTensor(api, source.tensor, source.blob, options.grad ?? false);
      tensors.push({ made, golden: value });
      return made;
    }
    if (value.int !== undefined) return BigInt(value.int);
    if (value.float !== undefined) return floatValue(value.float);
    if (value.dtype !== undefined) return api.torch[value.dtype];
    if (value.slice) return new (api.torch.Slice as new (...a: unknown[]) => unknown)(...value.slice);
    if (value.ellipsis) return "...";
    if (value.dict) return Object.fromEntries(Object.entries(value.dict).map(([k, v]) => [k, decode(v)]));
    throw new Error(`unknown golden value ${JSON.stringify(value)}`);
  };
  const args = sample.args.map(decode);
  const kwargs = Object.fromEntries(Object.entries(sample.kwargs).map(([k, v]) => [k, decode(v)]));
  return { args, kwargs, tensors };
}

export function floatValue(float: number | string): number {
  if (typeof float === "number") return float;
  if (float === "nan") return Number.NaN;
  if (float === "-0") return -0;
  return float === "inf" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}

/** The elements of a tensor in row-major order, half precision widened. */
export function valuesOf(api: Api, tensor: TensorLike): Values {
  let plain = tensor.detach();
  if (plain.dtype.name === "float16" || plain.dtype.name === "bfloat16") plain = plain.to(api.torch.float32);
  return plain.contiguous().typed_array();
}

/** The incoming gradient of result number `index`, the same as `upstream` in tools/golden_format.py. */
export function upstreamGradient(api: Api, tensor: TensorLike, index: number): TensorLike {
  const count = tensor.shape.reduce((a, b) => a * b, 1);
  const flat = Float64Array.from({ length: count }, (_, i) => (((i * 5 + index * 3) % 17) - 8) / 8);
  if (count === 0) return (api.torch.empty as Callable)([...tensor.shape], { dtype: tensor.dtype }) as TensorLike;
  const made = (api.torch.frombuffer as Callable)(flat, { dtype: api.torch.float64 }) as TensorLike;
  return made.reshape([...tensor.shape]).to(tensor.dtype);
}
