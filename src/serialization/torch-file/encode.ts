/** An object as a file of PyTorch: which tensors it has, its pickle, and the archive around them. */
import "../../ops/methods.ts";
import { Device } from "../../device.ts";
import { DType } from "../../dtype.ts";
import { RuntimeError } from "../../errors.ts";
import { Module } from "../../nn/module.ts";
import { Parameter } from "../../nn/parameter.ts";
import { heap, type Storage } from "../../storage/storage.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import * as op from "../pickle/opcodes.ts";
import { Pickler } from "../pickle/pickler.ts";
import { crc32 } from "../zip/crc32.ts";
import { archiveSize, type Checksum, type Sink, ZipWriter } from "../zip/writer.ts";
import { storageTypeName } from "./globals.ts";

const ID_LENGTH = 40;

/** What goes into an archive. The bytes of storages are read when the archive is written. */
export interface Encoded {
  readonly pickle: Uint8Array;
  readonly storages: readonly Storage[];
}

/** Pickles `value` and collects its storages. */
export function encode(value: unknown): Encoded {
  const storages = new Map<Storage, { key: string; dtype: DType }>();

  const saveStorage = (tensor: Tensor, pickler: Pickler): void => {
    const { storage, dtype } = tensor;
    let known = storages.get(storage);
    if (known === undefined) storages.set(storage, (known = { key: String(storages.size), dtype }));
    else if (known.dtype !== dtype) {
      throw new RuntimeError("Cannot save multiple tensors or storages that view the same data as different types");
    }
    pickler.out.byte(op.MARK);
    pickler.text("storage");
    pickler.global("torch", storageTypeName(dtype));
    pickler.text(known.key);
    pickler.text("cpu");
    pickler.save(storage.nbytes / dtype.itemsize);
    pickler.out.byte(op.TUPLE);
    pickler.out.byte(op.BINPERSID);
  };

  const saveData = (tensor: Tensor, requiresGrad: boolean, pickler: Pickler): void => {
    pickler.global("torch._utils", "_rebuild_tensor_v2");
    pickler.out.byte(op.MARK);
    saveStorage(tensor, pickler);
    pickler.save(tensor.offset);
    pickler.tuple(tensor.sizes);
    pickler.tuple(tensor.strides);
    pickler.save(requiresGrad);
    pickler.orderedDict([]); // backward hooks
    pickler.out.byte(op.TUPLE);
    pickler.out.byte(op.REDUCE);
  };

  const saveOpaque = (object: object, pickler: Pickler): boolean => {
    if (object instanceof Parameter) {
      pickler.global("torch._utils", "_rebuild_parameter");
      saveData(object, false, pickler);
      pickler.save(object.requires_grad);
      pickler.orderedDict([]);
      pickler.call(3);
    } else if (is_tensor(object)) saveData(object, object.requires_grad, pickler);
    else if (object instanceof DType) {
      pickler.global("torch", object.name);
      return true;
    } else if (object instanceof Device) {
      pickler.global("torch", "device");
      pickler.text(object.type);
      if (object.index !== null) pickler.save(object.index);
      pickler.call(object.index === null ? 1 : 2);
    } else return refuseStateful(object, pickler);
    pickler.remember(object);
    return true;
  };

  return { pickle: new Pickler(saveOpaque).dump(value), storages: [...storages.keys()] };
}

/** Explains what to save instead of an object that has a state. */
function refuseStateful(object: object, pickler: Pickler): false {
  if (object instanceof Module || "state_dict" in object) {
    const name = object instanceof Module ? object.className() : (object.constructor?.name ?? "object");
    pickler.refuse(`${name} itself, whose code is not in the file: save its state_dict()`);
  }
  return false;
}

/** The records of an archive, in PyTorch's order, but for the last, which identifies the others. */
function records(name: string, { pickle, storages }: Encoded): [name: string, size: number, bytes: () => Uint8Array][] {
  const text = (value: string): [number, () => Uint8Array] => {
    const bytes = new TextEncoder().encode(value);
    return [bytes.length, () => bytes];
  };
  return [
    [`${name}/data.pkl`, pickle.length, () => pickle],
    [`${name}/.format_version`, ...text("1")],
    [`${name}/.storage_alignment`, ...text("64")],
    [`${name}/byteorder`, ...text("little")],
    ...storages.map((storage, i): [string, number, () => Uint8Array] => [
      `${name}/data/${i}`,
      storage.nbytes,
      () => {
        const { address } = storage;
        return heap.u8.subarray(address, address + storage.nbytes);
      },
    ]),
    [`${name}/version`, ...text("3\n")],
  ];
}

const idName = (name: string): string => `${name}/.data/serialization_id`;

/** The size of the archive that `writeArchive` writes. */
export function encodedSize(name: string, encoded: Encoded): number {
  const list = records(name, encoded).map(([record, size]): [string, number] => [record, size]);
  return archiveSize([...list, [idName(name), ID_LENGTH]]);
}

/** Writes the archive, in one synchronous stretch. `name` is the folder in it; PyTorch takes the file's name. */
export function writeArchive(name: string, encoded: Encoded, sink: Sink, checksum: Checksum = crc32): void {
  const zip = new ZipWriter(sink, checksum);
  for (const [record, , bytes] of records(name, encoded)) zip.add(record, bytes());
  zip.add(idName(name), new TextEncoder().encode(serializationId(zip)));
  zip.finish();
}

/** 40 digits that are the same for the same names and contents: a checksum of each, FNV-1a in 64 bits. */
function serializationId(zip: ZipWriter): string {
  const fnv = (bytes: Iterable<number>, start: bigint): bigint => {
    let hash = start;
    for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    return hash;
  };
  const BASIS = 0xcbf29ce484222325n;
  let names = BASIS;
  let contents = BASIS;
  for (const { name, crc } of zip.summary) {
    // Without the folder, so that a file has the same number under any name.
    names = fnv(name.subarray(name.indexOf(0x2f)), names);
    contents = fnv(new Uint8Array(new Uint32Array([crc]).buffer), contents);
  }
  return `${String(names).padStart(20, "0")}${String(contents).padStart(20, "0")}`;
}
