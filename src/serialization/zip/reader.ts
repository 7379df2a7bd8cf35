/**
 * Reads zip archives (PKWARE APPNOTE 6.3), stored and deflated, with zip64. The directory is checked whole before any
 * entry is read: entries lie inside the file and do not overlap, so a small file cannot stand for a large one. Checksums
 * are left to the caller: PyTorch does not look at them, numpy does.
 */
import { NotImplementedError, RuntimeError } from "../../errors.ts";
import type { ByteSource } from "../source.ts";

export interface ZipEntry {
  readonly name: string;
  /** 0: stored, 8: deflated. */
  readonly method: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly crc: number;
  /** Where its local header is. */
  readonly headerOffset: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_SIZE = 22;
/** The end record may be followed by a comment of up to 65,535 bytes. */
const MAX_TAIL = END_SIZE + 65535 + 20;
/** No deflate stream expands by more than this: 258 bytes take at least two bits. */
const MAX_RATIO = 1032;
/** What deflated entries may take together: real tensors compress by a small factor, bombs by a thousand. */
const MAX_EXPANSION = 100;
const EXPANSION_ALLOWANCE = 16 * 2 ** 20;
const MAX_DIRECTORY = 256 * 2 ** 20;

/** Whether a file begins as a zip archive does, which is what PyTorch looks at. */
export function looksLikeZip(start: Uint8Array): boolean {
  return start.length >= 4 && start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4;
}

interface Directory {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

export class ZipReader {
  readonly source: ByteSource;
  /** By name, in the directory's order. */
  readonly entries: ReadonlyMap<string, ZipEntry>;

  private constructor(source: ByteSource, entries: ReadonlyMap<string, ZipEntry>) {
    this.source = source;
    this.entries = entries;
  }

  /** Reads and checks the directory. Throws RuntimeError for a damaged archive. */
  static async open(source: ByteSource): Promise<ZipReader> {
    const directory = await findDirectory(source);
    const bytes = await source.read(directory.offset, directory.size);
    const entries = parseDirectory(source, bytes, directory);
    checkPlaces(source, [...entries.values()], directory.offset);
    return new ZipReader(source, entries);
  }

  /** The contents of an entry. */
  async read(entry: ZipEntry): Promise<Uint8Array> {
    const start = await this.dataOffset(entry);
    const raw = await this.source.read(start, entry.compressedSize);
    return entry.method === 0 ? raw : inflate(raw, entry, this.source.name);
  }

  /** Copies the contents of an entry to where `target` says (see `ByteSource.readInto`). */
  async readInto(entry: ZipEntry, target: (done: number) => Uint8Array): Promise<void> {
    if (entry.method !== 0) {
      const bytes = await this.read(entry);
      target(0).set(bytes);
      return;
    }
    if (entry.size > 0) await this.source.readInto(await this.dataOffset(entry), entry.size, target);
  }

  /** Where an entry's data begins: behind its local header, whose extra fields differ from the directory's. */
  private async dataOffset(entry: ZipEntry): Promise<number> {
    const header = await this.source.read(entry.headerOffset, 30);
    const view = new DataView(header.buffer, header.byteOffset, 30);
    if (view.getUint32(0, true) !== LOCAL) fail(this.source, `entry '${entry.name}' has no local header`);
    const start = entry.headerOffset + 30 + view.getUint16(26, true) + view.getUint16(28, true);
    if (start + entry.compressedSize > this.source.size)
      fail(this.source, `entry '${entry.name}' ends behind the file`);
    return start;
  }
}

function fail(source: ByteSource, problem: string): never {
  throw new RuntimeError(`${source.name} is not a valid zip archive: ${problem}`);
}

/** A 64-bit integer that must be a place or size in the file. */
function readUint64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

async function findDirectory(source: ByteSource): Promise<Directory> {
  const { size } = source;
  if (size < END_SIZE) fail(source, `it has only ${size} bytes`);
  // Most archives end without a comment: try the short tail first.
  for (const length of [Math.min(size, END_SIZE + 20 + 56), Math.min(size, MAX_TAIL)]) {
    const tail = await source.read(size - length, length);
    const view = new DataView(tail.buffer, tail.byteOffset, tail.length);
    for (let at = length - END_SIZE; at >= 0; at--) {
      if (view.getUint32(at, true) !== END) continue;
      if (at + END_SIZE + view.getUint16(at + 20, true) !== length) continue;
      return readEnd(source, view, at, size - length + at);
    }
  }
  return fail(source, "its directory is missing: the file is incomplete or damaged");
}

async function readEnd(source: ByteSource, view: DataView, at: number, position: number): Promise<Directory> {
  let count = view.getUint16(at + 10, true);
  let size = view.getUint32(at + 12, true);
  let offset = view.getUint32(at + 16, true);
  let end = position;
  if (count === 0xffff || size === 0xffffffff || offset === 0xffffffff) {
    if (position < 20) fail(source, "its zip64 directory is missing");
    const locator = await source.read(position - 20, 20);
    const locatorView = new DataView(locator.buffer, locator.byteOffset, 20);
    if (locatorView.getUint32(0, true) !== LOCATOR64) fail(source, "its zip64 directory is missing");
    end = readUint64(locatorView, 8);
    if (end + 56 > position) fail(source, "its zip64 directory is outside the file");
    const record = await source.read(end, 56);
    const recordView = new DataView(record.buffer, record.byteOffset, 56);
    if (recordView.getUint32(0, true) !== END64) fail(source, "its zip64 directory is missing");
    count = readUint64(recordView, 32);
    size = readUint64(recordView, 40);
    offset = readUint64(recordView, 48);
  }
  if (offset + size > end) fail(source, "its directory is outside the file");
  if (size > MAX_DIRECTORY || count * 46 > size) fail(source, `${count} entries do not fit into ${size} bytes`);
  return { offset, size, count };
}

function parseDirectory(source: ByteSource, bytes: Uint8Array, directory: Directory): Map<string, ZipEntry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const decoder = new TextDecoder();
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < directory.count; i++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== CENTRAL)
      fail(source, `entry ${i} of its directory is damaged`);
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const next = extraEnd + view.getUint16(at + 32, true);
    if (next > bytes.length) fail(source, `entry ${i} of its directory is damaged`);
    const name = decoder.decode(bytes.subarray(at + 46, nameEnd));
    let compressedSize = view.getUint32(at + 20, true);
    let size = view.getUint32(at + 24, true);
    let headerOffset = view.getUint32(at + 42, true);
    if (compressedSize === 0xffffffff || size === 0xffffffff || headerOffset === 0xffffffff) {
      let field = findZip64(view, nameEnd, extraEnd);
      const take = (value: number): number => {
        if (value !== 0xffffffff) return value;
        if (field === null || field.at + 8 > field.end) return fail(source, `entry '${name}' lacks its 64-bit sizes`);
        field = { at: field.at + 8, end: field.end };
        return readUint64(view, field.at - 8);
      };
      size = take(size);
      compressedSize = take(compressedSize);
      headerOffset = take(headerOffset);
    }
    if (flags & 1) throw new NotImplementedError(`${source.name}: entry '${name}' is encrypted`);
    if (method !== 0 && method !== 8) {
      throw new NotImplementedError(
        `${source.name}: entry '${name}' has compression method ${method}; 0 and 8 are supported`,
      );
    }
    if (entries.has(name)) fail(source, `there are two entries '${name}'`);
    entries.set(name, { name, method, compressedSize, size, crc: view.getUint32(at + 16, true), headerOffset });
    at = next;
  }
  return entries;
}

function findZip64(view: DataView, start: number, end: number): { at: number; end: number } | null {
  for (let at = start; at + 4 <= end; ) {
    const next = at + 4 + view.getUint16(at + 2, true);
    if (next > end) return null;
    if (view.getUint16(at, true) === 1) return { at: at + 4, end: next };
    at = next;
  }
  return null;
}

/** Throws where entries overlap, reach into the directory, or would expand beyond reason. */
function checkPlaces(source: ByteSource, entries: ZipEntry[], directoryOffset: number): void {
  let end = 0;
  let deflated = 0;
  for (const entry of entries.sort((a, b) => a.headerOffset - b.headerOffset)) {
    const { name, headerOffset, compressedSize, size, method } = entry;
    if (headerOffset < end) fail(source, `entry '${name}' overlaps another one`);
    end = headerOffset + 30 + compressedSize;
    if (!Number.isSafeInteger(end) || end > directoryOffset) fail(source, `entry '${name}' reaches out of the file`);
    if (method === 0 && size !== compressedSize) fail(source, `entry '${name}' is stored, but its two sizes differ`);
    if (method === 8) {
      if (size > compressedSize * MAX_RATIO + 64) fail(source, `entry '${name}' cannot hold ${size} bytes`);
      deflated += size;
    }
  }
  if (deflated > source.size * MAX_EXPANSION + EXPANSION_ALLOWANCE) {
    throw new RuntimeError(
      `${source.name}: its compressed entries would take ${deflated} bytes, more than ${MAX_EXPANSION} times the file's size: refused`,
    );
  }
}

/** Inflates a whole entry. What comes out is bounded by the size that the directory declares. */
async function inflate(raw: Uint8Array, entry: ZipEntry, file: string): Promise<Uint8Array> {
  const damaged = (problem: string): RuntimeError =>
    new RuntimeError(`${file} is not a valid zip archive: entry '${entry.name}' ${problem}`);
  const out = new Uint8Array(entry.size);
  let done = 0;
  const stream = new DecompressionStream("deflate-raw");
  const writer = stream.writable.getWriter();
  // Rejections of these two show in the reader as well.
  writer.write(raw as Uint8Array<ArrayBuffer>).catch(() => {});
  writer.close().catch(() => {});
  const reader = stream.readable.getReader();
  try {
    for (;;) {
      const { value, done: end } = await reader.read();
      if (end) break;
      if (done + value.length > out.length) throw damaged(`is longer than the ${entry.size} bytes that it declares`);
      out.set(value, done);
      done += value.length;
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error instanceof RuntimeError ? error : damaged(`cannot be inflated (${(error as Error).message})`);
  }
  if (done !== out.length) throw damaged(`has ${done} bytes instead of ${entry.size}`);
  return out;
}
