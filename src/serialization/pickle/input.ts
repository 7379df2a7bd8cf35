/** The bytes of a pickle, read one after the other. */
import { UnpicklingError } from "../../errors.ts";
import { decodeUtf8 } from "./text.ts";

/** The pickle goes on behind the bytes at hand. */
export class UnexpectedEnd extends UnpicklingError {
  constructor() {
    super("the pickled data ends early: the file is incomplete or damaged");
  }
}

export class PickleInput {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at: number;

  constructor(bytes: Uint8Array, start: number) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = start;
  }

  /** Where the next byte is. */
  get position(): number {
    return this.at;
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.bytes.length - this.at;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new UnexpectedEnd();
    return this.bytes[this.at++];
  }

  /** Passes over `count` bytes; returns where they begin. */
  private skip(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) throw new UnexpectedEnd();
    this.at = start + count;
    return start;
  }

  /** The next `count` bytes, shared with the file. */
  take(count: number): Uint8Array {
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  uint16(): number {
    return this.view.getUint16(this.skip(2), true);
  }

  int32(): number {
    return this.view.getInt32(this.skip(4), true);
  }

  uint32(): number {
    return this.view.getUint32(this.skip(4), true);
  }

  uint64(): number {
    const at = this.skip(8);
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** Big-endian, unlike all other numbers. */
  float64(): number {
    return this.view.getFloat64(this.skip(8), false);
  }

  /** Text of `length` bytes. */
  text(length: number): string {
    const text = decodeUtf8(this.take(length));
    if (text === null) throw new UnpicklingError("a str is not valid UTF-8");
    return text;
  }

  /** The bytes up to the end of the line, which is passed over. */
  lineBytes(): Uint8Array {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) throw new UnexpectedEnd();
    const line = this.bytes.subarray(this.at, end);
    this.at = end + 1;
    return line;
  }

  /** The text up to the end of the line. */
  line(): string {
    const text = decodeUtf8(this.lineBytes());
    if (text === null) throw new UnpicklingError("a line of text is not valid UTF-8");
    return text;
  }
}
