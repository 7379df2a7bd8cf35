/**
 * Writes zip archives as PyTorch does (its PyTorchStreamWriter over miniz): entries are stored, their data begins at
 * multiples of 64 bytes, sizes and checksums follow the data, and the directory has a zip64 record.
 */
import { Output } from "../pickle/output.ts";
import { encodeUtf8 } from "../pickle/text.ts";

const ALIGNMENT = 64;
const MAX_32 = 0xffffffff;
/** Bit 3: sizes follow the data; bit 11: names are UTF-8. */
const SIZES_FOLLOW = 0x0808;
const NAMES_UTF8 = 0x0800;

/** Bytes for an archive. A chunk is only valid during the call. */
export type Sink = (chunk: Uint8Array) => void;
export type Checksum = (bytes: Uint8Array, previous?: number) => number;

interface Written {
  readonly name: Uint8Array;
  readonly size: number;
  readonly crc: number;
  readonly offset: number;
}

/** How an entry that begins at `offset` is laid out. */
function layout(offset: number, nameLength: number, size: number): { padding: number; zip64: boolean; end: number } {
  const zip64 = offset >= MAX_32 || size >= MAX_32;
  const fixed = offset + 30 + nameLength + (zip64 ? 20 : 0) + 4;
  const padding = (ALIGNMENT - (fixed % ALIGNMENT)) % ALIGNMENT;
  const descriptor = size === 0 ? 0 : zip64 ? 24 : 16;
  return { padding, zip64, end: fixed + padding + size + descriptor };
}

/** The size of an archive with these entries. */
export function archiveSize(entries: readonly (readonly [name: string, size: number])[]): number {
  let at = 0;
  let directory = 0;
  for (const [name, size] of entries) {
    const { length } = encodeUtf8(name);
    directory += 46 + length + zip64Field(size, at).length;
    at = layout(at, length, size).end;
  }
  return at + directory + 56 + 20 + 22;
}

/** The extra field of the directory for what does not fit into 32 bits. */
function zip64Field(size: number, offset: number): Uint8Array {
  const values = [...(size >= MAX_32 ? [size, size] : []), ...(offset >= MAX_32 ? [offset] : [])];
  if (values.length === 0) return new Uint8Array(0);
  const out = new Output();
  out.uint16(1);
  out.uint16(values.length * 8);
  for (const value of values) out.uint64(value);
  return out.result();
}

export class ZipWriter {
  private readonly sink: Sink;
  private readonly checksum: Checksum;
  private readonly written: Written[] = [];
  private at = 0;

  constructor(sink: Sink, checksum: Checksum) {
    this.sink = sink;
    this.checksum = checksum;
  }

  /** The names and checksums so far. */
  get summary(): readonly Written[] {
    return this.written;
  }

  /** Adds an entry. */
  add(name: string, bytes: Uint8Array): void {
    const encoded = encodeUtf8(name);
    const offset = this.at;
    const size = bytes.length;
    const { padding, zip64, end } = layout(offset, encoded.length, size);
    const head = new Output();
    head.uint32(0x04034b50);
    head.uint16(0);
    head.uint16(size === 0 ? NAMES_UTF8 : SIZES_FOLLOW);
    head.append(new Uint8Array(18)); // stored, no date, sizes and checksum follow
    head.uint16(encoded.length);
    head.uint16((zip64 ? 20 : 0) + 4 + padding);
    head.append(encoded);
    if (zip64) {
      head.uint16(1);
      head.uint16(16);
      head.uint64(0);
      head.uint64(0);
    }
    head.text("FB");
    head.uint16(padding);
    head.append(new Uint8Array(padding).fill(0x5a));
    this.sink(head.result());
    const crc = size === 0 ? 0 : this.checksum(bytes);
    if (size > 0) {
      this.sink(bytes);
      const tail = new Output();
      tail.uint32(0x08074b50);
      tail.uint32(crc);
      for (let i = 0; i < 2; i++) {
        if (zip64) tail.uint64(size);
        else tail.uint32(size);
      }
      this.sink(tail.result());
    }
    this.at = end;
    this.written.push({ name: encoded, size, crc, offset });
  }

  /** Writes the directory. */
  finish(): void {
    const out = new Output();
    const start = this.at;
    for (const { name, size, crc, offset } of this.written) {
      const extra = zip64Field(size, offset);
      out.uint32(0x02014b50);
      out.uint32(0);
      out.uint16(size === 0 ? NAMES_UTF8 : SIZES_FOLLOW);
      out.append(new Uint8Array(6));
      out.uint32(crc);
      out.uint32(Math.min(size, MAX_32));
      out.uint32(Math.min(size, MAX_32));
      out.uint16(name.length);
      out.uint16(extra.length);
      out.append(new Uint8Array(10));
      out.uint32(Math.min(offset, MAX_32));
      out.append(name);
      out.append(extra);
    }
    const { length } = out.result();
    const count = this.written.length;
    out.uint32(0x06064b50);
    out.uint64(44);
    out.uint16(0x031e);
    out.uint16(45);
    out.uint64(0);
    out.uint64(count);
    out.uint64(count);
    out.uint64(length);
    out.uint64(start);
    out.uint32(0x07064b50);
    out.uint32(0);
    out.uint64(start + length);
    out.uint32(1);
    out.uint32(0x06054b50);
    out.uint32(0);
    out.uint16(Math.min(count, 0xffff));
    out.uint16(Math.min(count, 0xffff));
    out.uint32(Math.min(length, MAX_32));
    out.uint32(Math.min(start, MAX_32));
    out.uint16(0);
    this.sink(out.result());
  }
}
