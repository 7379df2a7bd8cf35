/** Places arrays and parameter blocks in a memory and launches kernels on them: for tests of backends. */
import type { Backend } from "../../src/backend/backend.ts";
import { elementAccess, type Value } from "../../src/backend/interpreter/elements.ts";
import type { DTypeName } from "../../src/dtype.ts";
import type { Kernel } from "../../src/ir/kernel.ts";

/** An array in the memory. */
export interface Placed {
  readonly dtype: DTypeName;
  readonly address: number;
  readonly length: number;
}

export class Launch {
  readonly memory: WebAssembly.Memory;
  private top = 64;
  /** Where the memory ended when it was last used up. What comes after it may belong to a backend. */
  private end: number;

  constructor(pages = 16, memory: WebAssembly.Memory = new WebAssembly.Memory({ initial: pages, maximum: 4096 })) {
    this.memory = memory;
    this.end = memory.buffer.byteLength;
  }

  private allocate(bytes: number): number {
    const { memory } = this;
    let address = this.top;
    this.top = Math.ceil((address + bytes) / 64) * 64 + 64;
    if (this.top > this.end) {
      if (memory.buffer.byteLength > this.end) {
        address = memory.buffer.byteLength;
        this.top = Math.ceil((address + bytes) / 64) * 64 + 64;
      }
      if (this.top > memory.buffer.byteLength) memory.grow(Math.ceil((this.top - memory.buffer.byteLength) / 65536));
      this.end = memory.buffer.byteLength;
    }
    return address;
  }

  place(dtype: DTypeName, values: ArrayLike<Value>): Placed {
    const { size } = elementAccess[dtype];
    const placed = { dtype, address: this.allocate(values.length * size), length: values.length };
    this.write(placed, values);
    return placed;
  }

  write({ dtype, address }: Placed, values: ArrayLike<Value>): void {
    const { size, write } = elementAccess[dtype];
    const view = new DataView(this.memory.buffer);
    for (let i = 0; i < values.length; i++) write(view, address + i * size, values[i] as Value);
  }

  read({ dtype, address, length }: Placed): Value[] {
    const { size, read } = elementAccess[dtype];
    const view = new DataView(this.memory.buffer);
    return Array.from({ length }, (_, i) => read(view, address + i * size));
  }

  /** Writes a parameter block; returns its address. */
  block(kernel: Kernel, buffers: readonly Placed[], params: readonly Value[]): number {
    const address = this.allocate(8 * (buffers.length + params.length));
    const view = new DataView(this.memory.buffer);
    buffers.forEach((b, i) => {
      view.setInt32(address + 8 * i, b.address, true);
    });
    params.forEach((p, i) => {
      const at = address + 8 * (buffers.length + i);
      const type = kernel.params[i];
      if (type === "i64") view.setBigInt64(at, BigInt(p), true);
      else if (type === "f32") view.setFloat32(at, Number(p), true);
      else if (type === "f64") view.setFloat64(at, Number(p), true);
      else view.setInt32(at, Number(p), true);
    });
    return address;
  }

  /** Compiles the kernel and runs all its units. */
  run(backend: Backend, kernel: Kernel, buffers: readonly Placed[], params: readonly Value[] = []): void {
    const block = this.block(kernel, buffers, params);
    const compiled = backend.compile(kernel);
    compiled.run(block, 0, compiled.units(block));
  }
}
