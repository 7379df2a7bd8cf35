import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Backend, CompiledKernel } from "../../src/backend/backend.ts";
import { CheckingBackend, KernelMismatch } from "../../src/backend/checking.ts";
import { InterpreterBackend } from "../../src/backend/interpreter/interpreter.ts";
import type { DTypeName } from "../../src/dtype.ts";
import { Axis, accumulator, computeType, constant, type Expr, load, param, stageValue } from "../../src/ir/expr.ts";
import type { ContractionKernel, Kernel, RowKernel, ScatterKernel } from "../../src/ir/kernel.ts";
import { Launch, type Placed } from "./launch.ts";

const i32 = (value: number): Expr => constant("i32", value);

/** The interpreter with a fault: `spoil` changes the memory after each run. */
class FaultyBackend implements Backend {
  readonly name = "faulty";
  readonly memory: WebAssembly.Memory;
  spoil: () => void = () => {};
  readonly inner: InterpreterBackend;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.inner = new InterpreterBackend(memory, { fusedMultiplyAdd: true });
  }

  compile(kernel: Kernel): CompiledKernel {
    const compiled = this.inner.compile(kernel);
    return {
      kernel,
      units: compiled.units,
      run: (block, begin, end) => {
        compiled.run(block, begin, end);
        this.spoil();
      },
    };
  }
}

function map(dtype: DTypeName, f: (x: Expr) => Expr, out: DTypeName = dtype): RowKernel {
  const i = new Axis("i", param("i32", 0));
  return {
    name: "map",
    form: "row",
    buffers: [
      { dtype, access: "read" },
      { dtype: out, access: "write" },
    ],
    params: ["i32"],
    outer: [i],
    inner: [],
    stages: [
      { kind: "store", over: "outer", buffer: 1, index: i.index, value: f(load(computeType(dtype), 0, i.index)) },
    ],
  };
}

function softmax(): RowKernel {
  const row = new Axis("row", i32(4));
  const column = new Axis("column", param("i32", 0));
  const index = row.index.mul(param("i32", 0)).add(column.index);
  const e = load("f32", 0, index).sub(stageValue("f32", 0)).exp();
  return {
    name: "softmax",
    form: "row",
    buffers: [
      { dtype: "float32", access: "read" },
      { dtype: "float32", access: "write" },
    ],
    params: ["i32"],
    outer: [row],
    inner: [column],
    stages: [
      { kind: "reduce", op: "max", value: load("f32", 0, index) },
      { kind: "reduce", op: "sum", value: e },
      { kind: "store", over: "inner", buffer: 1, index, value: e.div(stageValue("f32", 1)) },
    ],
  };
}

/** Runs `kernel` once from `input` into as many outputs; afterwards element `at` is multiplied by `factor`. */
function spoilt(
  kernel: Kernel,
  dtype: DTypeName,
  input: number[],
  size: number,
  at: number,
  factor: number,
): unknown[] {
  const launch = new Launch();
  const faulty = new FaultyBackend(launch.memory);
  const source = launch.place(dtype, input);
  const out = launch.place(dtype, new Array(input.length).fill(0));
  faulty.spoil = () => {
    const values = launch.read(out);
    values[at] = Number(values[at]) * factor;
    launch.write(out, values);
  };
  launch.run(new CheckingBackend(faulty), kernel, [source, out], [size]);
  return launch.read(out);
}

const ULP = 1 + 2 ** -23;
const ramp = (n: number): number[] => Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i * 1.7) * 3));

describe("the checking backend", () => {
  it("passes what is right, and leaves the fast backend's output", () => {
    const out = spoilt(softmax(), "float32", ramp(40), 10, 3, 1);
    assert.ok(Math.abs((out.slice(0, 10) as number[]).reduce((a, b) => a + b) - 1) < 1e-6);
  });

  it("asks for exact results where there is nothing to round differently", () => {
    const kernel = map("float32", (x) => x.mul(3).add(1));
    spoilt(kernel, "float32", ramp(20), 20, 7, 1);
    assert.throws(
      () => spoilt(kernel, "float32", ramp(20), 20, 7, ULP),
      (e: Error) =>
        e instanceof KernelMismatch && /"map" \(row\): 1 of 20 .* at element 7 .* parameters \[20\]/.test(e.message),
    );
    const integers = map("int32", (x) => x.mul(3));
    assert.throws(() => spoilt(integers, "int32", [1, 2, 3], 3, 2, -1), KernelMismatch);
  });

  it("allows the error of functions and sums, not more", () => {
    spoilt(softmax(), "float32", ramp(40), 10, 3, ULP);
    assert.throws(() => spoilt(softmax(), "float32", ramp(40), 10, 3, 1 + 1e-5), KernelMismatch);
    // Cancellation: the error of exp is large beside exp(x) - 1.
    const kernel = map("float32", (x) => x.exp().sub(1));
    spoilt(kernel, "float32", [1e-3, 2e-3], 2, 0, 1 + 1e-5);
    assert.throws(() => spoilt(kernel, "float32", [1, 2], 2, 0, 1 + 1e-5), KernelMismatch);
  });

  it("allows a fused multiply-add", () => {
    // x² - 1 near 1, where fusing changes most digits: the faulty backend fuses, the reference does not.
    spoilt(
      map("float32", (x) => x.fma(x, -1)),
      "float32",
      [1 + 2 ** -12, 1 - 2 ** -13],
      2,
      0,
      1,
    );
  });

  it("keeps in-place kernels from running twice", () => {
    const launch = new Launch();
    const kernel = map("float32", (x) => x.mul(2));
    const data = launch.place("float32", [1, 2, 3]);
    const checking = new CheckingBackend(new InterpreterBackend(launch.memory));
    launch.run(checking, kernel, [data, data], [3]);
    assert.deepEqual(launch.read(data), [2, 4, 6]);
    assert.equal(checking.statistics.checked, 1);
  });

  it("finds writes outside of the output", () => {
    const launch = new Launch();
    const faulty = new FaultyBackend(launch.memory);
    const kernel = map("float32", (x) => x.neg());
    const source = launch.place("float32", [1, 2, 3]);
    const out = launch.place("float32", [0, 0, 0]);
    const behind: Placed = { ...out, address: out.address + 12, length: 1 };
    faulty.spoil = () => launch.write(behind, [9]);
    assert.throws(() => launch.run(new CheckingBackend(faulty), kernel, [source, out], [3]), /near buffer 1/);
  });

  it("checks the ends and the middle of large launches", () => {
    const run = (at: number): void => {
      const launch = new Launch();
      const faulty = new FaultyBackend(launch.memory);
      const source = launch.place("float32", ramp(1000));
      const out = launch.place("float32", new Array(1000).fill(0));
      faulty.spoil = () => launch.write({ ...out, address: out.address + 4 * at }, [100]);
      const checking = new CheckingBackend(faulty, { maxEvaluations: 30 });
      launch.run(
        checking,
        map("float32", (x) => x.abs()),
        [source, out],
        [1000],
      );
    };
    for (const at of [0, 9, 495, 999]) assert.throws(() => run(at), KernelMismatch, `element ${at}`);
    run(200); // between the samples
  });

  it("checks contractions and scatters", () => {
    const launch = new Launch();
    const faulty = new FaultyBackend(launch.memory);
    const found: string[] = [];
    const checking = new CheckingBackend(faulty, { onMismatch: (e) => found.push(e.message) });
    const [m, k] = [new Axis("m", i32(3)), new Axis("k", i32(100))];
    const product: ContractionKernel = {
      name: "mv",
      form: "contraction",
      buffers: [
        { dtype: "float32", access: "read" },
        { dtype: "float32", access: "write" },
      ],
      params: [],
      batch: [],
      m: [m],
      n: [],
      k: [k],
      a: load("f32", 0, m.index.mul(100).add(k.index)),
      b: load("f32", 0, k.index),
      accumulate: "f32",
      stores: [{ buffer: 1, index: m.index, value: accumulator("f32") }],
    };
    const source = launch.place("float32", ramp(300));
    const out = launch.place("float32", [0, 0, 0]);
    launch.run(checking, product, [source, out]);
    assert.deepEqual(found, []);
    faulty.spoil = () => launch.write(out, [...launch.read(out).slice(0, 2), Number(launch.read(out)[2]) + 0.01]);
    launch.run(checking, product, [source, out]);
    assert.match(found.pop() ?? "", /"mv" \(contraction\): 1 of 3/);

    const i = new Axis("i", i32(4));
    const scatter: ScatterKernel = {
      name: "scatter_add",
      form: "scatter",
      buffers: [{ dtype: "float32", access: "readwrite" }],
      params: [],
      axes: [i],
      mode: "add",
      buffer: 0,
      index: i.index.rem(2),
      value: i.index.cast("f32"),
    };
    faulty.spoil = () => {};
    const sums = launch.place("float32", [10, 20]);
    launch.run(checking, scatter, [sums]);
    assert.deepEqual(found, []);
    assert.deepEqual(launch.read(sums), [12, 24]);
    faulty.spoil = () => launch.write(sums, [13]);
    launch.run(checking, scatter, [sums]);
    assert.match(found.pop() ?? "", /faulty gives 13, the reference 14/);
    assert.equal(checking.statistics.checked, 4);
  });

  it("knows that comparisons and indices of inexact values may come out either way", () => {
    const launch = new Launch();
    const faulty = new FaultyBackend(launch.memory);
    const source = launch.place("float32", [0, 1]);
    const out = launch.place("bool", [0, 0]);
    const kernel = map("float32", (x) => x.exp().gt(1), "bool");
    faulty.spoil = () => launch.write(out, [1]); // exp(0) may come out a little above 1
    launch.run(new CheckingBackend(faulty), kernel, [source, out], [2]);
    faulty.spoil = () => launch.write(out, [0, 0]); // exp(1) may not come out below 1
    assert.throws(() => launch.run(new CheckingBackend(faulty), kernel, [source, out], [2]), KernelMismatch);
  });
});
