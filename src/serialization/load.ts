/** `torch.load`: https://pytorch.org/docs/stable/generated/torch.load.html */
import { NotImplementedError, RuntimeError, UnpicklingError, ValueError } from "../errors.ts";
import { bind } from "../ops/define/schema.ts";
import { load_file as loadSafetensorsFile } from "./safetensors.ts";
import { type ByteSource, type FileSource, openSource, type Progress } from "./source.ts";
import { loadLegacy } from "./torch-file/load-legacy.ts";
import { loadZip } from "./torch-file/load-zip.ts";
import type { MapLocation } from "./torch-file/location.ts";
import { looksLikeZip } from "./zip/reader.ts";

/** Options of `torch.load`. */
export interface LoadOptions {
  /** Where tensors go that were not on the CPU; "cpu" takes them all. */
  readonly map_location?: MapLocation | null;
  /** Always true: only data is loaded, never code. */
  readonly weights_only?: boolean | null;
  /** Accepted; bytes go from the file straight into the memory of tensors, so there is nothing to map. */
  readonly mmap?: boolean | null;
  /** Called with the bytes that have been received or read so far and, if known, their number in the end. */
  readonly progress?: Progress | null;
}

/**
 * Loads what `torch.save` wrote, here or in Python: tensors, parameters, numbers, texts, and dicts, lists, tuples and
 * sets of them. `f` is a path (in a browser relative to the page), an http(s) address, bytes, a Blob or a Response. Tensors that shared memory
 * share it again. Dicts come as objects without a prototype, or as a Map where keys are neither texts nor indices.
 * Throws UnpicklingError for what is not data (a whole pickled module, an unknown class), RuntimeError for damaged files.
 *
 * The type parameter is an unchecked statement of what the file holds.
 */
export async function load<T = unknown>(f: FileSource, options: LoadOptions = {}): Promise<T> {
  const [, map, weightsOnly, mmap, progress] = bind(
    "load(any f, any map_location=None, *, bool? weights_only=None, bool? mmap=None, any progress=None)",
    [f, options],
  ) as [FileSource, MapLocation | null, boolean | null, boolean | null, Progress | null];
  if (weightsOnly === false) {
    throw new NotImplementedError(
      "torch.load with weights_only=False would run code that is in the file, in Python: only weights_only=True is possible",
    );
  }
  const isPath = typeof f === "string" || f instanceof URL;
  if (mmap === true && !isPath) throw new ValueError("f must be a file path in order to use the mmap argument");
  if (isPath && /\.safetensors$/i.test(String(f))) return (await loadSafetensorsFile(f, { progress })) as T;
  let isReceived = false;
  const source = await openSource(f, (done, total) => {
    isReceived = true;
    progress?.(done, total);
  });
  try {
    // What came from the network is in memory: reading it there is not counted again.
    return (await loadFrom(source, map, isReceived ? null : progress)) as T;
  } finally {
    source.close();
  }
}

async function loadFrom(source: ByteSource, map: MapLocation | null, progress: Progress | null): Promise<unknown> {
  const start = await source.read(0, Math.min(source.size, 512));
  if (start.length === 0) throw new UnpicklingError(`${source.name}: Ran out of input: the file is empty`);
  if (looksLikeZip(start)) return loadZip(source, map, progress);
  if (isTar(start)) {
    throw new RuntimeError(
      `${source.name}: Cannot use weights_only=True with files saved in the legacy .tar format. In Python, load it with weights_only=False, if you trust it, and save it again.`,
    );
  }
  if (start[0] === 0x1f && start[1] === 0x8b) {
    throw new RuntimeError(`${source.name} is compressed with gzip: decompress it first`);
  }
  return loadLegacy(source, map, progress);
}

/** The mark of tar is at byte 257; PyTorch 0.1 wrote files that begin with one of these names. */
function isTar(start: Uint8Array): boolean {
  const text = (from: number, length: number): string => String.fromCharCode(...start.subarray(from, from + length));
  return text(257, 5) === "ustar" || /^(\.\/)?(storages|tensors|pickle)\0/.test(text(0, 12));
}
