/** The loops of a kernel: sizes, indices, and the frame that a launch runs in. */
import type { Axis, ComputeType } from "../../ir/expr.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Value } from "./elements.ts";
import { Evaluator, type Frame, type Journal } from "./evaluate.ts";

/** Reads the parameter block at byte address `block`; see `ir/kernel.ts` for its layout. */
export function openFrame(kernel: Kernel, memory: WebAssembly.Memory, block: number, journal?: Journal): Frame {
  // The buffer is another one after the memory has grown.
  const view = new DataView(memory.buffer);
  const addresses = kernel.buffers.map((_, i) => view.getUint32(block + 8 * i, true));
  const first = block + 8 * addresses.length;
  const params = kernel.params.map((type, i) => readParam(view, first + 8 * i, type));
  return { view, addresses, params, indices: new Map(), stages: [], accumulator: { value: 0, error: 0 }, journal };
}

function readParam(view: DataView, address: number, type: ComputeType): Value {
  switch (type) {
    case "bool":
      return view.getInt32(address, true) === 0 ? 0 : 1;
    case "i32":
      return view.getInt32(address, true);
    case "i64":
      return view.getBigInt64(address, true);
    case "f32":
      return view.getFloat32(address, true);
    case "f64":
      return view.getFloat64(address, true);
  }
}

/** Nested loops over a group of axes, the last one innermost. */
export class LoopNest {
  readonly axes: readonly Axis[];
  private readonly sizes: readonly Evaluator[];

  constructor(axes: readonly Axis[], kernel: Kernel) {
    this.axes = axes;
    this.sizes = axes.map((axis) => new Evaluator(axis.size, kernel));
  }

  /** How many index combinations there are; 1 without axes. */
  count(frame: Frame): number {
    return this.sizes.reduce((product, size) => product * Math.max(0, size.evaluate(frame) as number), 1);
  }

  /** Sets the axes' indices to those of the flattened index `flat`. */
  seek(frame: Frame, flat: number): void {
    let rest = flat;
    for (let i = this.axes.length - 1; i >= 0; i--) {
      const size = (this.sizes[i] as Evaluator).evaluate(frame) as number;
      frame.indices.set(this.axes[i] as Axis, rest % size);
      rest = Math.floor(rest / size);
    }
  }

  /** Calls `body` for each flattened index, with the axes' indices set. */
  each(frame: Frame, body: (flat: number) => void): void {
    const sizes = this.sizes.map((size) => size.evaluate(frame) as number);
    const count = this.count(frame);
    const indices = sizes.map(() => 0);
    for (let flat = 0; flat < count; flat++) {
      for (let i = 0; i < indices.length; i++) frame.indices.set(this.axes[i] as Axis, indices[i] as number);
      body(flat);
      // Counts up like an odometer.
      for (let i = indices.length - 1; i >= 0; i--) {
        indices[i] = (indices[i] as number) + 1;
        if ((indices[i] as number) < (sizes[i] as number)) break;
        indices[i] = 0;
      }
    }
  }
}
