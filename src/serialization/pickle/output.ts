/** A byte buffer that grows. */
import { encodeUtf8 } from "./text.ts";

export class Output {
  private bytes = new Uint8Array(1024);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  /** Makes room for `count` more bytes and passes over them; returns where they begin. */
  private grow(count: number): number {
    const start = this.at;
    this.at += count;
    if (this.at > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.at, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, start));
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    return start;
  }
  byte(value: number): void {
    const at = this.grow(1);
    this.bytes[at] = value;
  }
  uint16(value: number): void {
    const at = this.grow(2);
    this.view.setUint16(at, value, true);
  }
  uint32(value: number): void {
    const at = this.grow(4);
    this.view.setUint32(at, value, true);
  }
  int32(value: number): void {
    const at = this.grow(4);
    this.view.setInt32(at, value, true);
  }
  uint64(value: number): void {
    this.uint32(value % 2 ** 32);
    this.uint32(Math.floor(value / 2 ** 32));
  }
  /** Big-endian, as pickle has its floats. */
  float64(value: number): void {
    const at = this.grow(8);
    this.view.setFloat64(at, value, false);
  }
  append(bytes: Uint8Array): void {
    const at = this.grow(bytes.length);
    this.bytes.set(bytes, at);
  }
  text(text: string): void {
    this.append(encodeUtf8(text));
  }
  /** What was written, shared with this object. */
  result(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }
}
