/** Writes straight-line vector code on pairs of 128-bit vectors, which become 256-bit ones (see ../revectorize.ts). */
import type { FunctionBuilder, Local } from "../assembler.ts";
import type { MemoryOp, PlainOp } from "../opcodes.ts";

/** Eight 32-bit lanes: the lower and the upper half. Or twice the same vector, for a constant. */
export type Pair = readonly [low: Local, high: Local];

export class PairWriter {
  readonly f: FunctionBuilder;
  constructor(f: FunctionBuilder) {
    this.f = f;
  }

  /** A constant in all lanes. To be called before the loop: V8 makes a constant anew wherever it stands. */
  i32(value: number): Pair {
    return this.constant(Int32Array.of(value, value, value, value));
  }
  f32(value: number): Pair {
    return this.constant(Float32Array.of(value, value, value, value));
  }
  f64(value: number): Pair {
    return this.constant(Float64Array.of(value, value));
  }
  private constant(lanes: ArrayBufferView): Pair {
    const local = this.f.local("v128");
    this.f.v128(new Uint8Array(lanes.buffer as ArrayBuffer)).set(local);
    return [local, local];
  }
  /** A scalar in all lanes. */
  splat(op: "f32x4.splat" | "f64x2.splat" | "i64x2.splat", scalar: Local): Pair {
    const local = this.f.local("v128");
    this.f.get(scalar).op(op).set(local);
    return [local, local];
  }

  load(address: Local, offset = 0, op: MemoryOp = "v128.load", step = 16): Pair {
    return this.pair((half) => this.f.get(address).memory(op, offset + half * step, 2));
  }
  /** All loads of the loop must stand before it, and the upper half is stored first. */
  store(address: Local, value: Pair, offset = 0): void {
    for (const half of [1, 0])
      this.f
        .get(address)
        .get(value[half])
        .memory("v128.store", offset + 16 * half, 2);
  }
  op(name: PlainOp, ...operands: Pair[]): Pair {
    return this.pair((half) => {
      for (const x of operands) this.f.get(x[half]);
      this.f.op(name);
    });
  }
  shift(name: PlainOp, x: Pair, bits: number): Pair {
    return this.pair((half) => this.f.get(x[half]).i32(bits).op(name));
  }
  /** a · b + c, rounded once. */
  madd(a: Pair, b: Pair, c: Pair): Pair {
    return this.op("f32x4.relaxed_madd", a, b, c);
  }
  /** `mask` selects from `yes`, elsewhere `no`. */
  select(mask: Pair, yes: Pair, no: Pair): Pair {
    return this.op("v128.bitselect", yes, no, mask);
  }
  private pair(emit: (half: 0 | 1) => void): Pair {
    return [this.one(0, emit), this.one(1, emit)];
  }
  private one(half: 0 | 1, emit: (half: 0 | 1) => void): Local {
    const local = this.f.local("v128");
    emit(half);
    this.f.set(local);
    return local;
  }
}
