/**
 * Reads the golden files that tools/golden-ops.py and its siblings write. The format is described in
 * tools/golden_format.py: gzip of an index in JSON and a blob with the bytes of all tensors.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

/** An argument or a result as the index writes it. */
export type Golden = null | boolean | number | string | Golden[] | GoldenTensor | GoldenSpecial;

export interface GoldenTensor {
  t: string;
  shape: number[];
  at: number;
  n: number;
  strides?: number[];
  offset?: number;
  grad?: boolean;
  novalue?: boolean;
  /** Strides of a result that is a view; its bytes are those of a contiguous copy. */
  view_strides?: number[];
}

export interface GoldenSpecial {
  int?: string;
  float?: number | string;
  dtype?: string;
  slice?: (number | null)[];
  ellipsis?: true;
  dict?: Record<string, Golden>;
}

export interface Sample {
  id: string;
  from: string;
  fn: string;
  args: Golden[];
  kwargs: Record<string, Golden>;
  seed?: number;
  out?: Golden;
  names?: string[];
  err?: (number | null)[];
  grads?: (GoldenTensor | null)[];
  gerr?: (number | null)[];
  method?: true;
  inplace?: true | string;
  outok?: true;
  strided?: true;
  view?: number[];
  after?: [number, GoldenTensor][];
  whole?: true;
  ties?: true;
  error?: { class: string; message: string };
}

export interface GoldenOp {
  op: string;
  extra: boolean;
  aliases: string[];
  tolerance: Record<string, [number, number]>;
  samples: Sample[];
  blob: Uint8Array;
}

/** The folder of the op files: test/golden/ops, or what KINDLING_GOLDEN names (the output of a `--full` run). */
export function goldenFolder(): string {
  return process.env.KINDLING_GOLDEN ?? fileURLToPath(new URL("../golden/ops/", import.meta.url));
}

/** Names of the ops that have a golden file. */
export function goldenOps(folder = goldenFolder()): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((f) => f.endsWith(".gz"))
    .map((f) => f.slice(0, -3))
    .sort();
}

/** Reads any golden file: its index with the blob beside it. */
export function loadGolden<T>(path: string): T & { blob: Uint8Array } {
  // A buffer of its own, so that typed arrays at multiples of 8 are aligned.
  const bytes = new Uint8Array(gunzipSync(readFileSync(path)));
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const index = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))) as T;
  return { ...index, blob: bytes.slice(Math.ceil((4 + length) / 8) * 8) };
}

export function loadOp(name: string, folder = goldenFolder()): GoldenOp {
  return loadGolden<Omit<GoldenOp, "blob">>(`${folder}/${name}.gz`);
}

export function isTensor(value: Golden | undefined): value is GoldenTensor {
  return typeof value === "object" && value !== null && "t" in value && "shape" in value;
}

const ITEM_SIZE: Record<string, number> = {
  bool: 1,
  uint8: 1,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  float16: 2,
  bfloat16: 2,
  float32: 4,
  float64: 8,
};

/** A copy of the stored bytes of a tensor. */
export function storedBytes(tensor: GoldenTensor, blob: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(blob.subarray(tensor.at, tensor.at + tensor.n * ITEM_SIZE[tensor.t]));
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

export type Values = ArrayLike<number> | ArrayLike<bigint>;

/** The stored elements as numbers (bigints for int64); half precision is widened. */
export function storedValues(tensor: GoldenTensor, blob: Uint8Array): Values {
  const { buffer } = storedBytes(tensor, blob);
  switch (tensor.t) {
    case "bool":
    case "uint8":
      return new Uint8Array(buffer);
    case "int8":
      return new Int8Array(buffer);
    case "int16":
      return new Int16Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "int64":
      return new BigInt64Array(buffer);
    case "float32":
      return new Float32Array(buffer);
    case "float64":
      return new Float64Array(buffer);
    case "float16":
      return Float32Array.from(new Uint16Array(buffer), halfToNumber);
    default:
      return new Float32Array(Uint32Array.from(new Uint16Array(buffer), (b) => b << 16).buffer);
  }
}

/** Positions in the storage of the elements in row-major order. */
function positions(shape: number[], strides: number[], offset: number): number[] {
  let result = [offset];
  shape.forEach((size, dim) => {
    const next: number[] = [];
    for (const base of result) for (let i = 0; i < size; i++) next.push(base + i * strides[dim]);
    result = next;
  });
  return result;
}

/** The elements in row-major order, whatever the layout. */
export function elements(tensor: GoldenTensor, blob: Uint8Array): Values {
  const stored = storedValues(tensor, blob);
  if (!tensor.strides) return stored;
  const order = positions(tensor.shape, tensor.strides, tensor.offset ?? 0);
  return order.map((p) => stored[p]) as Values;
}

/**
 * The same values with every second element of a wider storage, one element from its start. What lies between is NaN
 * (-1, true), so that a kernel that ignores strides or the offset shows itself.
 */
export function stridedCopy(tensor: GoldenTensor, blob: Uint8Array): { tensor: GoldenTensor; blob: Uint8Array } {
  const count = tensor.shape.reduce((a, b) => a * b, 1);
  if (count === 0) return { tensor, blob };
  const size = ITEM_SIZE[tensor.t];
  const last = tensor.shape.at(-1) ?? 1;
  const width = 2 * last + 1;
  const rows = count / last;
  const source = storedBytes(tensor, blob);
  const order = tensor.strides ? positions(tensor.shape, tensor.strides, tensor.offset ?? 0) : null;
  const wide = new Uint8Array(rows * width * size).fill(tensor.t === "bool" ? 1 : 0xff);
  for (let i = 0; i < count; i++) {
    const from = (order ? order[i] : i) * size;
    const to = (Math.floor(i / last) * width + 1 + 2 * (i % last)) * size;
    wide.set(source.subarray(from, from + size), to);
  }
  const strides: number[] = [];
  let stride = width;
  for (let d = tensor.shape.length - 2; d >= 0; d--) {
    strides.unshift(stride);
    stride *= tensor.shape[d];
  }
  if (tensor.shape.length > 0) strides.push(2);
  return { tensor: { ...tensor, at: 0, n: rows * width, strides, offset: 1 }, blob: wide };
}

/** All tensors in an encoded value, in order. */
export function tensorsIn(value: Golden | Record<string, Golden> | undefined): GoldenTensor[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(tensorsIn);
  if (isTensor(value as Golden)) return [value as GoldenTensor];
  return Object.values(value).flatMap((v) => tensorsIn(v as Golden));
}
