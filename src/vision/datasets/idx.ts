/**
 * IDX files, the format of MNIST: two zero bytes, a byte for the element type, one for the number of dimensions, the sizes
 * as 32-bit integers, then the elements; all big-endian. Source: http://yann.lecun.com/exdb/mnist/
 */
import { type DType, float32, float64, int8, int16, int32, uint8 } from "../../dtype.ts";
import { ValueError } from "../../errors.ts";
import { empty } from "../../ops/creation.ts";
import { frombuffer } from "../../ops/from-values.ts";
import { swapBytes } from "../../serialization/tensor-data.ts";
import type { Tensor } from "../../tensor.ts";

const ELEMENT_TYPES: ReadonlyMap<number, DType> = new Map([
  [0x08, uint8],
  [0x09, int8],
  [0x0b, int16],
  [0x0c, int32],
  [0x0d, float32],
  [0x0e, float64],
]);

/** The tensor in an IDX file. Everything is checked against the length of the file before memory is taken. */
export function read_idx(bytes: Uint8Array, name = "IDX data"): Tensor {
  const fail = (problem: string): never => {
    throw new ValueError(`${name} is not a valid IDX file: ${problem}`);
  };
  if (bytes.length < 4) return fail(`it has only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== 0 || bytes[1] !== 0) {
    const start = Array.from(bytes.subarray(0, 4), (b) => b.toString(16).padStart(2, "0")).join(" ");
    return fail(
      `it starts with ${start}${bytes[0] === 0x1f && bytes[1] === 0x8b ? " (gzip: decompress it first)" : ""}`,
    );
  }
  const dtype = ELEMENT_TYPES.get(bytes[2]);
  if (dtype === undefined) return fail(`unknown element type 0x${bytes[2].toString(16).padStart(2, "0")}`);
  const rank = bytes[3];
  const start = 4 + 4 * rank;
  if (rank === 0) return fail("it has no dimensions");
  if (bytes.length < start) return fail(`its header should have ${start} bytes, but the file has ${bytes.length}`);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  // A product of whole numbers is exact up to 2^53 and otherwise too large in any case.
  const count = shape.reduce((n, size) => n * size, 1);
  const expected = start + count * dtype.itemsize;
  if (bytes.length !== expected) {
    return fail(
      `shape [${shape.join(", ")}] of ${dtype.name} needs ${expected} bytes, but the file has ${bytes.length}`,
    );
  }
  if (count === 0) return empty(shape, { dtype });
  const data = dtype.itemsize === 1 ? bytes.subarray(start) : bytes.slice(start);
  swapBytes(data, dtype.itemsize);
  return frombuffer(data, { dtype }).view(shape);
}

/** Decompresses gzip data; other data is returned as it is. */
export async function gunzip(bytes: Uint8Array<ArrayBuffer>, name = "data"): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes.length < 2 || bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  try {
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (cause) {
    throw new ValueError(`${name}: the gzip data is damaged or incomplete`, { cause });
  }
}
