/**
 * The reference backend: runs kernels in plain JavaScript, slowly and obviously. Other backends are compared with it.
 * It needs nothing but a memory, so it also works where WebAssembly code may not be generated.
 */
import type { DTypeName } from "../../dtype.ts";
import type { Axis } from "../../ir/expr.ts";
import type {
  ContractionKernel,
  Kernel,
  RowKernel,
  ScatterKernel,
  Stage,
  StoreStage,
  WinogradFilterKernel,
  WinogradKernel,
} from "../../ir/kernel.ts";
import { FILTER_BLOCK, winogradFilterParams } from "../../ir/winograd.ts";
import type { Backend, CompiledKernel } from "../backend.ts";
import { binaryFunction } from "./arithmetic.ts";
import { elementAccess, type Value } from "./elements.ts";
import { bufferType, type EvaluateOptions, Evaluator, type Frame, type Journal, type Tracked } from "./evaluate.ts";
import { LoopNest, openFrame } from "./frame.ts";
import { reducer } from "./reduce.ts";
import { filterElements, filterUnits, winogradElement, winogradElements, winogradReader } from "./winograd.ts";

/** A kernel that can also tell what it writes. */
export interface InterpretedKernel extends CompiledKernel {
  /** Like `run`; notes each written element in `journal`, with its error bound if the backend tracks errors. */
  readonly record: (block: number, begin: number, end: number, journal: Journal) => void;
  /** How many elements one unit evaluates: what a unit costs. */
  readonly unitSize: (block: number) => number;
}

export class InterpreterBackend implements Backend {
  readonly name = "interpreter";
  readonly memory: WebAssembly.Memory;
  private readonly options: EvaluateOptions;

  constructor(memory: WebAssembly.Memory, options: EvaluateOptions = {}) {
    this.memory = memory;
    this.options = options;
  }

  compile(kernel: Kernel): InterpretedKernel {
    switch (kernel.form) {
      case "row":
        return this.program(kernel, kernel.outer, kernel.inner, this.rowUnit(kernel));
      case "contraction":
        // The finest division: one unit is one index of batch, m and n.
        return this.program(
          kernel,
          [...kernel.batch, ...kernel.m, ...kernel.n],
          kernel.k,
          this.contractionUnit(kernel),
        );
      case "scatter":
        return this.program(kernel, kernel.axes, [], this.scatterUnit(kernel));
      case "winograd":
        return this.winograd(kernel);
      case "winograd_filters":
        return this.winogradFilters(kernel);
    }
  }

  private winogradFilters(kernel: WinogradFilterKernel): InterpretedKernel {
    const record = (block: number, begin: number, end: number, journal?: Journal): void => {
      const frame = openFrame(kernel, this.memory, block, journal);
      for (let unit = begin; unit < end; unit++) {
        for (const { index, value, error } of filterElements(kernel, frame, unit)) {
          const address = (frame.addresses[1] as number) + 4 * index;
          writeElement(frame, 1, "float32", address, value, this.options.trackErrors ? error : 0);
        }
      }
    };
    return {
      kernel,
      units: (block) => filterUnits(openFrame(kernel, this.memory, block)),
      unitSize: (block) => {
        const { params } = openFrame(kernel, this.memory, block);
        return (kernel.tile + 2) ** 2 * FILTER_BLOCK * (params[winogradFilterParams.indexOf("channels")] as number);
      },
      run: (block, begin, end) => record(block, begin, end),
      record,
    };
  }

  /** One unit is one element of the output. */
  private winograd(kernel: WinogradKernel): InterpretedKernel {
    const output = kernel.buffers.length - 1;
    const record = (block: number, begin: number, end: number, journal?: Journal): void => {
      const frame = openFrame(kernel, this.memory, block, journal);
      for (let unit = begin; unit < end; unit++) {
        const { index, value, error } = winogradElement(kernel, frame, unit);
        const address = (frame.addresses[output] as number) + 4 * index;
        writeElement(frame, output, "float32", address, value, this.options.trackErrors ? error : 0);
      }
    };
    return {
      kernel,
      units: (block) => winogradElements(openFrame(kernel, this.memory, block)),
      unitSize: (block) => (kernel.tile + 2) ** 2 * winogradReader(openFrame(kernel, this.memory, block))("channels"),
      run: (block, begin, end) => record(block, begin, end),
      record,
    };
  }

  private program(
    kernel: Kernel,
    unitAxes: readonly Axis[],
    innerAxes: readonly Axis[],
    runUnit: (frame: Frame) => void,
  ): InterpretedKernel {
    const units = new LoopNest(unitAxes, kernel);
    const inner = new LoopNest(innerAxes, kernel);
    const record = (block: number, begin: number, end: number, journal?: Journal): void => {
      const frame = openFrame(kernel, this.memory, block, journal);
      for (let unit = begin; unit < end; unit++) {
        units.seek(frame, unit);
        runUnit(frame);
      }
    };
    return {
      kernel,
      units: (block) => units.count(openFrame(kernel, this.memory, block)),
      unitSize: (block) => {
        const frame = openFrame(kernel, this.memory, block);
        // The rows may have different lengths: that of the first.
        units.seek(frame, 0);
        return inner.count(frame);
      },
      run: (block, begin, end) => record(block, begin, end),
      record,
    };
  }

  private rowUnit(kernel: RowKernel): (frame: Frame) => void {
    const inner = new LoopNest(kernel.inner, kernel);
    const steps = groupStages(kernel.stages).map((group) => rowStep(group, inner, kernel, this.options));
    return (frame) => {
      frame.stages.length = 0;
      for (const step of steps) {
        for (const axis of kernel.inner) frame.indices.delete(axis);
        step(frame);
      }
    };
  }

  private contractionUnit(kernel: ContractionKernel): (frame: Frame) => void {
    const k = new LoopNest(kernel.k, kernel);
    const a = new Evaluator(kernel.a, kernel, this.options);
    const b = new Evaluator(kernel.b, kernel, this.options);
    // The product of two float32 numbers is exact in float64.
    const multiply = binaryFunction("mul", kernel.accumulate === "f32" ? "f64" : kernel.accumulate);
    const stores = writer(kernel.stores, kernel, this.options);
    const trackErrors = this.options.trackErrors ?? false;
    return (frame) => {
      const sum = reducer("sum", kernel.accumulate, trackErrors);
      k.each(frame, (at) => {
        const x = a.evaluate(frame);
        const y = b.evaluate(frame);
        const error = Math.abs(Number(x)) * b.error + Math.abs(Number(y)) * a.error;
        sum.add(multiply(x, y), at, error);
      });
      for (const axis of kernel.k) frame.indices.delete(axis);
      frame.accumulator = sum.result()[0] as Tracked;
      stores(frame);
    };
  }

  private scatterUnit(kernel: ScatterKernel): (frame: Frame) => void {
    const dtype = bufferType(kernel, kernel.buffer, kernel.value);
    const { size, read } = elementAccess[dtype];
    const index = new Evaluator(kernel.index, kernel, this.options);
    const value = new Evaluator(kernel.value, kernel, this.options);
    const combine = scatterFunction(kernel);
    return (frame) => {
      const address = (frame.addresses[kernel.buffer] as number) + (index.evaluate(frame) as number) * size;
      const old = read(frame.view, address);
      const operand = value.evaluate(frame);
      const result = combine(old, operand);
      // What was there carries the error of earlier writes; elements are combined in order, so nothing else differs.
      const carried = kernel.mode === "set" ? 0 : (frame.journal?.get(address)?.error ?? 0);
      const error =
        kernel.mode === "mul"
          ? Math.abs(Number(old)) * value.error + Math.abs(Number(operand)) * carried
          : value.error + carried;
      writeElement(frame, kernel.buffer, dtype, address, result, error);
    };
  }
}

function writeElement(
  frame: Frame,
  buffer: number,
  dtype: DTypeName,
  address: number,
  value: Value,
  error: number,
): void {
  const { read, write } = elementAccess[dtype];
  const { journal, view } = frame;
  if (journal === undefined) {
    write(view, address, value);
    return;
  }
  const before = journal.get(address)?.before ?? read(view, address);
  write(view, address, value);
  journal.set(address, { buffer, dtype, before, after: read(view, address), error });
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
  const value = new Evaluator(first.value, kernel, options);
  return (frame) => {
    const reduction = reducer(first.op, first.value.type, options.trackErrors ?? false);
    inner.each(frame, (at) => reduction.add(value.evaluate(frame), at, value.error));
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
    const dtype = bufferType(kernel, store.buffer, store.value);
    const index = new Evaluator(store.index, kernel, options);
    const value = new Evaluator(store.value, kernel, options);
    return { buffer: store.buffer, dtype, size: elementAccess[dtype].size, index, value };
  });
  return (frame) => {
    const results = parts.map((part) => part.value.tracked(frame));
    const addresses = parts.map(
      (part) => (frame.addresses[part.buffer] as number) + (part.index.evaluate(frame) as number) * part.size,
    );
    parts.forEach((part, i) => {
      const { value, error } = results[i] as Tracked;
      writeElement(frame, part.buffer, part.dtype, addresses[i] as number, value, error);
    });
  };
}
