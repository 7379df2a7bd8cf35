/**
 * The reference backend: runs kernels in plain JavaScript, slowly and obviously. Other backends are compared with it.
 * It needs nothing but a memory, so it also works where WebAssembly code may not be generated.
 */
import type { Axis } from "../../ir/expr.ts";
import type { ContractionKernel, Kernel, RowKernel, ScatterKernel, Stage, StoreStage } from "../../ir/kernel.ts";
import type { Backend, CompiledKernel } from "../backend.ts";
import { binaryFunction } from "./arithmetic.ts";
import { elementAccess, type Value } from "./elements.ts";
import { bufferType, type EvaluateOptions, type Evaluator, evaluator, type Frame } from "./evaluate.ts";
import { LoopNest, openFrame } from "./frame.ts";
import { reducer } from "./reduce.ts";

export class InterpreterBackend implements Backend {
  readonly name = "interpreter";
  readonly memory: WebAssembly.Memory;
  private readonly options: EvaluateOptions;

  constructor(memory: WebAssembly.Memory, options: EvaluateOptions = {}) {
    this.memory = memory;
    this.options = options;
  }

  compile(kernel: Kernel): CompiledKernel {
    switch (kernel.form) {
      case "row":
        return this.compileRow(kernel);
      case "contraction":
        return this.compileContraction(kernel);
      case "scatter":
        return this.compileScatter(kernel);
    }
  }

  private compileRow(kernel: RowKernel): CompiledKernel {
    const outer = new LoopNest(kernel.outer, kernel);
    const inner = new LoopNest(kernel.inner, kernel);
    const steps = groupStages(kernel.stages).map((group) => rowStep(group, inner, kernel, this.options));
    return {
      kernel,
      units: (block) => outer.count(openFrame(kernel, this.memory, block)),
      run: (block, begin, end) => {
        const frame = openFrame(kernel, this.memory, block);
        for (let row = begin; row < end; row++) {
          outer.seek(frame, row);
          frame.stages.length = 0;
          for (const step of steps) {
            for (const axis of kernel.inner) frame.indices.delete(axis);
            step(frame);
          }
        }
      },
    };
  }

  /** One work unit is one index of the batch axes. */
  private compileContraction(kernel: ContractionKernel): CompiledKernel {
    const batch = new LoopNest(kernel.batch, kernel);
    const m = new LoopNest(kernel.m, kernel);
    const n = new LoopNest(kernel.n, kernel);
    const k = new LoopNest(kernel.k, kernel);
    const a = evaluator(kernel.a, kernel, this.options);
    const b = evaluator(kernel.b, kernel, this.options);
    const multiply = binaryFunction("mul", kernel.accumulate === "f32" ? "f64" : kernel.accumulate);
    const stores = writer(kernel.stores, kernel, this.options);
    const cell = (frame: Frame) => {
      const sum = reducer("sum", kernel.accumulate);
      k.each(frame, (at) => sum.add(multiply(a(frame), b(frame)), at));
      frame.accumulator = sum.result()[0] as Value;
      stores(frame);
    };
    return {
      kernel,
      units: (block) => batch.count(openFrame(kernel, this.memory, block)),
      run: (block, begin, end) => {
        const frame = openFrame(kernel, this.memory, block);
        for (let unit = begin; unit < end; unit++) {
          batch.seek(frame, unit);
          m.each(frame, () => n.each(frame, () => cell(frame)));
        }
      },
    };
  }

  private compileScatter(kernel: ScatterKernel): CompiledKernel {
    const axes = new LoopNest(kernel.axes, kernel);
    const dtype = bufferType(kernel, kernel.buffer, kernel.value);
    const { size, read, write } = elementAccess[dtype];
    const index = evaluator(kernel.index, kernel, this.options);
    const value = evaluator(kernel.value, kernel, this.options);
    const combine = scatterFunction(kernel);
    return {
      kernel,
      units: (block) => axes.count(openFrame(kernel, this.memory, block)),
      run: (block, begin, end) => {
        const frame = openFrame(kernel, this.memory, block);
        for (let flat = begin; flat < end; flat++) {
          axes.seek(frame, flat);
          const address = (frame.addresses[kernel.buffer] as number) + (index(frame) as number) * size;
          write(frame.view, address, combine(read(frame.view, address), value(frame)));
        }
      },
    };
  }
}

function scatterFunction(kernel: ScatterKernel): (old: Value, value: Value) => Value {
  if (kernel.mode === "set") return (_, value) => value;
  if (kernel.value.type !== "bool") return binaryFunction(kernel.mode, kernel.value.type);
  // On bool, min and mul are "and", max and add are "or".
  return binaryFunction(kernel.mode === "min" || kernel.mode === "mul" ? "and" : "or", "bool");
}

/**
 * Consecutive stores over the same indices are one step: for each index all their values are computed before any is
 * written, so that several outputs updated in place (an optimizer's moments and parameters) see the same old values.
 */
function groupStages(stages: readonly Stage[]): StageGroup[] {
  const groups: StageGroup[] = [];
  stages.forEach((stage, position) => {
    const group = groups.at(-1);
    const previous = group?.stages[0];
    if (group && previous?.kind === "store" && stage.kind === "store" && previous.over === stage.over) {
      group.stages.push(stage);
    } else groups.push({ position, stages: [stage] });
  });
  return groups;
}

interface StageGroup {
  /** The number of the first stage, by which `stageValue` refers to it. */
  readonly position: number;
  readonly stages: Stage[];
}

function rowStep(
  { position, stages }: StageGroup,
  inner: LoopNest,
  kernel: RowKernel,
  options: EvaluateOptions,
): (frame: Frame) => void {
  const first = stages[0] as Stage;
  if (first.kind === "store") {
    const store = writer(stages as readonly StoreStage[], kernel, options);
    return first.over === "outer" ? store : (frame) => inner.each(frame, () => store(frame));
  }
  const value = evaluator(first.value, kernel, options);
  return (frame) => {
    const reduction = reducer(first.op, first.value.type);
    inner.each(frame, (at) => reduction.add(value(frame), at));
    frame.stages[position] = reduction.result();
  };
}

/** Writes the values of several stores at the current indices. */
function writer(
  stores: readonly Pick<StoreStage, "buffer" | "index" | "value">[],
  kernel: Kernel,
  options: EvaluateOptions,
): (frame: Frame) => void {
  const parts = stores.map((store) => {
    const access = elementAccess[bufferType(kernel, store.buffer, store.value)];
    const index: Evaluator = evaluator(store.index, kernel, options);
    const value: Evaluator = evaluator(store.value, kernel, options);
    return { buffer: store.buffer, access, index, value };
  });
  return (frame) => {
    const values = parts.map((part) => part.value(frame));
    const addresses = parts.map((part) => {
      return (frame.addresses[part.buffer] as number) + (part.index(frame) as number) * part.access.size;
    });
    parts.forEach((part, i) => {
      part.access.write(frame.view, addresses[i] as number, values[i] as Value);
    });
  };
}

/** The axes over which a kernel loops. */
export function kernelAxes(kernel: Kernel): readonly Axis[] {
  switch (kernel.form) {
    case "row":
      return [...kernel.outer, ...kernel.inner];
    case "contraction":
      return [...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k];
    case "scatter":
      return kernel.axes;
  }
}
