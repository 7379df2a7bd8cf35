/** Files of PyTorch 1.6 and later: a zip archive with a pickle, `data.pkl`, and the bytes of each storage, `data/<key>`. */
import { RuntimeError, UnpicklingError } from "../../errors.ts";
import { Unpickler } from "../pickle/unpickler.ts";
import { type PyOpaque, PyTuple, type PyValue, typeName } from "../pickle/values.ts";
import type { ByteSource, Progress } from "../source.ts";
import { type ZipEntry, ZipReader } from "../zip/reader.ts";
import { asText, findGlobal, isCount } from "./globals.ts";
import { checkLocation, type MapLocation } from "./location.ts";
import { loadStorage, materialize } from "./materialize.ts";
import { StorageRef, StorageType } from "./values.ts";

/** Loads the object in a zip archive. */
export async function loadZip(
  source: ByteSource,
  map: MapLocation | null,
  progress: Progress | null,
): Promise<unknown> {
  const zip = await ZipReader.open(source);
  // PyTorch takes the folder of the first entry, whose name is that of the file when it was saved.
  const [first] = zip.entries.keys();
  const folder = first?.includes("/") ? first.slice(0, first.indexOf("/") + 1) : "";
  const record = (name: string): ZipEntry | undefined => zip.entries.get(folder + name);
  if (record("constants.pkl") !== undefined) {
    throw new RuntimeError(
      `${source.name} is a TorchScript archive, which holds a program. In Python, save its values instead: torch.save(torch.jit.load(path).state_dict(), new_path)`,
    );
  }
  const data = record("data.pkl");
  if (data === undefined) {
    throw new RuntimeError(`${source.name} is a zip archive, but no checkpoint of PyTorch: it has no data.pkl`);
  }
  const swap = await isBigEndian(zip, record("byteorder"));
  const storages = new Map<string, { ref: StorageRef; entry: ZipEntry }>();

  const persistentLoad = (id: PyValue): PyOpaque => {
    const { type, key, location, numel } = storageId(id, 5);
    const nbytes = numel * type.itemsize;
    const known = storages.get(key);
    if (known !== undefined) {
      if (known.ref.nbytes !== nbytes) throw new UnpicklingError(`storage ${key} occurs with two sizes`);
      return known.ref;
    }
    const entry = record(`data/${key}`);
    if (entry === undefined) throw new RuntimeError(`${source.name}: record data/${key} is missing`);
    if (entry.size !== nbytes) {
      throw new RuntimeError(`${source.name}: record data/${key} has ${entry.size} bytes, but its storage ${nbytes}`);
    }
    checkLocation(map, location, nbytes);
    const ref = new StorageRef(type, key, nbytes);
    storages.set(key, { ref, entry });
    return ref;
  };

  const root = new Unpickler(await zip.read(data), { findGlobal, persistentLoad }).load();
  let total = 0;
  for (const { ref } of storages.values()) total += ref.nbytes;
  let done = 0;
  for (const { ref, entry } of storages.values()) {
    await loadStorage(
      ref,
      (target) =>
        zip.readInto(entry, (part) => {
          if (part > 0) progress?.(done + part, total);
          return target(part);
        }),
      swap,
    );
    done += ref.nbytes;
    progress?.(done, total);
  }
  return materialize(root);
}

async function isBigEndian(zip: ZipReader, entry: ZipEntry | undefined): Promise<boolean> {
  if (entry === undefined) return false;
  const text = entry.size > 16 ? "" : new TextDecoder().decode(await zip.read(entry));
  if (text !== "little" && text !== "big")
    throw new RuntimeError(`${zip.source.name}: Unknown endianness type: ${text}`);
  return text === "big";
}

/** The parts of the tuple that stands for a storage, and what is behind them. */
export function storageId(
  id: PyValue,
  length: number,
): { type: StorageType; key: string; location: string; numel: number; more: readonly PyValue[] } {
  if (!(id instanceof PyTuple)) {
    throw new UnpicklingError(`persistent_load id must be tuple or int, but got ${typeName(id)}`);
  }
  if (id.items.length > 8) throw new UnpicklingError("the pickled data is damaged: wrong parts of a storage");
  const [kind, type, keyValue, locationValue, numel, ...more] = id.items;
  const kindName = kind === undefined ? null : asText(kind);
  if (kindName !== "storage") {
    throw new UnpicklingError(
      kindName === "module"
        ? "The file holds a whole pickled module, which only Python code can rebuild. In Python, save the values instead: torch.save(torch.load(path, weights_only=False).state_dict(), new_path), if you trust the file."
        : `Only persistent_load of storage is allowed, but got ${kindName ?? "something else"}`,
    );
  }
  const key = keyValue === undefined ? null : asText(keyValue);
  const location = locationValue === undefined ? null : asText(locationValue);
  if (
    id.items.length !== length ||
    !(type instanceof StorageType) ||
    key === null ||
    location === null ||
    !isCount(numel)
  ) {
    throw new UnpicklingError("the pickled data is damaged: wrong parts of a storage");
  }
  if (!Number.isSafeInteger(numel * type.itemsize)) throw new UnpicklingError(`a storage of ${numel} elements`);
  return { type, key, location, numel, more };
}
