/** Files as tensors of bytes. */
import { uint8 } from "../../dtype.ts";
import { NotImplementedError, RuntimeError } from "../../errors.ts";
import { frombuffer } from "../../ops/from-values.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";

const isNode = (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;

/** The bytes of a file as a one-dimensional uint8 tensor. In a browser the path is an address. */
export async function read_file(path: string): Promise<Tensor> {
  if (typeof path !== "string") throw new TypeError(`read_file: path must be a string, not ${typeof path}`);
  const bytes = isNode && !/^https?:\/\//.test(path) ? await readLocal(path) : await readRemote(path);
  if (bytes.length === 0) throw new RuntimeError(`read_file: Expected a non empty file: '${path}'`);
  return frombuffer(bytes, { dtype: uint8 });
}

async function readLocal(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await (await import("./node/files.ts")).read(path);
  } catch (cause) {
    const { code, message } = cause as { code?: string; message: string };
    if (code === "ENOENT") throw new RuntimeError(`[Errno 2] No such file or directory: '${path}'`, { cause });
    throw new RuntimeError(`read_file: ${message}`, { cause });
  }
}

async function readRemote(address: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(address);
  if (!response.ok) throw new RuntimeError(`read_file: ${address}: HTTP ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Writes a one-dimensional uint8 tensor to a file. */
export async function write_file(filename: string, data: Tensor): Promise<void> {
  if (!is_tensor(data)) throw new TypeError("write_file: expected a uint8 tensor");
  if (data.dtype !== uint8) throw new RuntimeError("write_file: Input tensor dtype should be uint8");
  if (data.ndim !== 1) throw new RuntimeError("write_file: Input data should be a 1-dimensional tensor");
  if (!isNode) throw new NotImplementedError("write_file: a browser has no files");
  try {
    await (await import("./node/files.ts")).write(filename, data.typed_array() as Uint8Array);
  } catch (cause) {
    throw new RuntimeError(`Error opening output file '${filename}': ${(cause as Error).message}`, { cause });
  }
}
