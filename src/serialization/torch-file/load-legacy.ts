/**
 * Files of PyTorch before 1.6: pickles one after the other (a magic number, a version, the sizes of C's types, the
 * object, the keys of its storages), then each storage as its number of elements in 8 bytes and its bytes.
 */
import { RuntimeError, UnpicklingError } from "../../errors.ts";
import { UnexpectedEnd } from "../pickle/input.ts";
import { Unpickler } from "../pickle/unpickler.ts";
import { PyList, type PyOpaque, PyTuple, type PyValue } from "../pickle/values.ts";
import type { ByteSource, Progress } from "../source.ts";
import { asText, findGlobal, isCount } from "./globals.ts";
import { storageId } from "./load-zip.ts";
import { checkLocation, type MapLocation } from "./location.ts";
import { loadStorage, materialize } from "./materialize.ts";
import { StorageRef, StorageView } from "./values.ts";

const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn;
const PROTOCOL_VERSION = 1001;
/** How much is read at first to find the pickles, and by what factor more. */
const FIRST_WINDOW = 256 * 1024;
const WINDOW_GROWTH = 4;

interface Contents {
  readonly root: PyValue;
  readonly storages: readonly StorageRef[];
  /** Where the storages begin. */
  readonly end: number;
}

/** Loads the object in a file of the old format. */
export async function loadLegacy(
  source: ByteSource,
  map: MapLocation | null,
  progress: Progress | null,
): Promise<unknown> {
  const { root, storages, end } = await readContents(source, map);
  // All sizes are compared with the file before anything is allocated.
  const places: number[] = [];
  let at = end;
  for (const ref of storages) {
    if (at + 8 + ref.nbytes > source.size) {
      throw new RuntimeError(`${source.name}: unexpected EOF: the file is incomplete or damaged`);
    }
    const header = await source.read(at, 8);
    const view = new DataView(header.buffer, header.byteOffset, 8);
    const numel = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
    const expected = ref.nbytes / ref.type.itemsize;
    if (numel !== expected) {
      throw new RuntimeError(`storage has wrong size: expected ${expected} elements, got ${numel}`);
    }
    places.push(at + 8);
    at += 8 + ref.nbytes;
  }
  const total = at - end;
  for (let i = 0; i < storages.length; i++) {
    const ref = storages[i];
    await loadStorage(ref, (target) => source.readInto(places[i], ref.nbytes, target), false);
    progress?.(places[i] + ref.nbytes - end, total);
  }
  return materialize(root);
}

/** Reads the pickles. Where they end is not known before, so the window grows until it holds them. */
async function readContents(source: ByteSource, map: MapLocation | null): Promise<Contents> {
  for (let window = FIRST_WINDOW; ; window *= WINDOW_GROWTH) {
    const length = Math.min(window, source.size);
    const bytes = await source.read(0, length);
    try {
      return parse(bytes, map);
    } catch (error) {
      if (!(error instanceof UnexpectedEnd) || length === source.size) throw error;
    }
  }
}

function parse(bytes: Uint8Array, map: MapLocation | null): Contents {
  const refs = new Map<string, StorageRef>();
  const persistentLoad = (id: PyValue): PyOpaque => {
    const { type, key, location, numel, more } = storageId(id, 6);
    const nbytes = numel * type.itemsize;
    let ref = refs.get(key);
    if (ref === undefined) {
      checkLocation(map, location, nbytes);
      refs.set(key, (ref = new StorageRef(type, key, nbytes)));
    } else if (ref.nbytes !== nbytes) throw new UnpicklingError(`storage ${key} occurs with two sizes`);
    const view = more[0];
    return view === null ? ref : viewOf(ref, view);
  };
  const head = new Unpickler(bytes, {
    findGlobal: () => {
      throw notACheckpoint();
    },
    persistentLoad: () => {
      throw notACheckpoint();
    },
  });
  const magic = readHead(head);
  if (magic !== MAGIC_NUMBER) throw notACheckpoint();
  const version = readHead(head);
  if (version !== PROTOCOL_VERSION) throw new RuntimeError(`Invalid protocol version: ${String(version)}`);
  head.load();
  const body = new Unpickler(bytes, { findGlobal, persistentLoad }, head.position);
  const root = body.load();
  const keys = body.load();
  if (!(keys instanceof PyList) || keys.items.length !== refs.size) {
    throw new UnpicklingError("the list of storages does not match the object");
  }
  const storages = new Set<StorageRef>();
  for (const key of keys.items) {
    const text = asText(key);
    const ref = text === null ? undefined : refs.get(text);
    if (ref === undefined)
      throw new UnpicklingError(`storage key ${String(text)} not found among the object's storages`);
    storages.add(ref);
  }
  if (storages.size !== refs.size) throw new UnpicklingError("the list of storages does not match the object");
  return { root, storages: [...storages], end: body.position };
}

function readHead(head: Unpickler): PyValue {
  try {
    return head.load();
  } catch (error) {
    if (error instanceof UnexpectedEnd) throw error;
    throw notACheckpoint();
  }
}

function notACheckpoint(): RuntimeError {
  return new RuntimeError("Invalid magic number; corrupt file? It is no checkpoint that PyTorch's torch.save writes.");
}

/** (key of the view, offset in elements, number of elements) of a storage that was a part of another one. */
function viewOf(root: StorageRef, value: PyValue): StorageView {
  const [, offset, numel] = value instanceof PyTuple ? value.items : [];
  if (!isCount(offset) || !isCount(numel) || (offset + numel) * root.type.itemsize > root.nbytes) {
    throw new UnpicklingError("the pickled data is damaged: wrong parts of a storage's view");
  }
  return new StorageView(root, offset, numel);
}
