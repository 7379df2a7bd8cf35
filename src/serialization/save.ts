/** `torch.save`: https://pytorch.org/docs/stable/generated/torch.save.html */
import { NotImplementedError } from "../errors.ts";
import { describe } from "../shape.ts";
import { hasFiles } from "./source.ts";
import { type Encoded, encode, encodedSize, writeArchive } from "./torch-file/encode.ts";

/** What `torch.save` can write to beside a file: a stream, or anything with a `write`. */
export type SaveTarget = string | URL | WritableStream<Uint8Array> | { write(bytes: Uint8Array<ArrayBuffer>): unknown };

/**
 * Saves `obj` so that `torch.load`, here and in Python, gives it back: tensors (which may share memory), parameters,
 * numbers, texts, booleans, null, and objects, Maps, arrays and Sets of them. `f` is a path in Node, where the file
 * appears whole or not at all, in a folder that exists; elsewhere a WritableStream, which is closed, or an object with
 * `write(bytes)`.
 *
 * Tensors are read when the file is written: await the result before changing them. Throws TypeError for what cannot be
 * saved, such as a module itself instead of its `state_dict()`.
 */
export async function save(obj: unknown, f: SaveTarget): Promise<void> {
  if (typeof f === "string" || f instanceof URL) {
    if (!hasFiles()) throw new NotImplementedError("save: a browser has no files: use torch.serialization.to_bytes");
    const { saveFile } = await import("./node/save-file.ts");
    await saveFile(obj, f);
    return;
  }
  if (typeof WritableStream !== "undefined" && f instanceof WritableStream) {
    const bytes = to_bytes(obj);
    const writer = f.getWriter();
    await writer.write(bytes);
    await writer.close();
    return;
  }
  const file = f as { write(bytes: Uint8Array<ArrayBuffer>): unknown };
  if (typeof file?.write !== "function") {
    throw new TypeError(
      `expected 'f' to be a path, a WritableStream or an object with a method 'write', but got ${describe(f)}`,
    );
  }
  await file.write(to_bytes(obj));
}

/** The bytes of the file that `torch.save` writes. */
export function to_bytes(obj: unknown): Uint8Array<ArrayBuffer> {
  const encoded: Encoded = encode(obj);
  // The folder that PyTorch uses where there is no file name.
  const name = "archive";
  const out = new Uint8Array(encodedSize(name, encoded));
  let at = 0;
  writeArchive(name, encoded, (chunk) => {
    out.set(chunk, at);
    at += chunk.length;
  });
  return out;
}
