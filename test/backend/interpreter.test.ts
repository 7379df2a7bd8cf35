import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InterpreterBackend } from "../../src/backend/interpreter/interpreter.ts";
import { Axis, accumulator, constant, type Expr, load, param, stageValue } from "../../src/ir/expr.ts";
import type { ContractionKernel, ReduceOp, RowKernel, ScatterKernel, ScatterMode } from "../../src/ir/kernel.ts";
import { Launch } from "./launch.ts";

const i32 = (value: number): Expr => constant("i32", value);

describe("row kernels in the interpreter", () => {
  it("maps over strided inputs, in ranges", () => {
    const launch = new Launch();
    const rows = new Axis("rows", i32(2));
    const columns = new Axis("columns", param("i32", 0));
    const flat = rows.index.mul(param("i32", 0)).add(columns.index);
    const kernel: RowKernel = {
      name: "scaled transpose",
      form: "row",
      buffers: [
        { dtype: "float32", access: "read" },
        { dtype: "float32", access: "write" },
      ],
      params: ["i32", "f32"],
      outer: [rows, columns],
      inner: [],
      stages: [
        {
          kind: "store",
          over: "outer",
          buffer: 1,
          index: flat,
          value: load("f32", 0, columns.index.mul(2).add(rows.index)).mul(param("f32", 1)),
        },
      ],
    };
    const input = launch.place("float32", [1, 2, 3, 4, 5, 6]);
    const output = launch.place("float32", [0, 0, 0, 0, 0, 0]);
    const block = launch.block(kernel, [input, output], [3, 10]);
    const compiled = new InterpreterBackend(launch.memory).compile(kernel);
    assert.equal(compiled.units(block), 6);
    compiled.run(block, 1, 4);
    assert.deepEqual(launch.read(output), [0, 30, 50, 20, 0, 0]);
    launch.memory.grow(1);
    compiled.run(block, 0, 6);
    assert.deepEqual(launch.read(output), [10, 30, 50, 20, 40, 60]);
  });

  it("runs stages in order: softmax", () => {
    const launch = new Launch();
    const rows = new Axis("rows", i32(2));
    const columns = new Axis("columns", i32(3));
    const x = load("f32", 0, rows.index.mul(3).add(columns.index));
    const e = x.sub(stageValue("f32", 0)).exp();
    const kernel: RowKernel = {
      name: "softmax",
      form: "row",
      buffers: [
        { dtype: "float32", access: "read" },
        { dtype: "float32", access: "write" },
      ],
      params: [],
      outer: [rows],
      inner: [columns],
      stages: [
        { kind: "reduce", op: "max", value: x },
        { kind: "reduce", op: "sum", value: e },
        {
          kind: "store",
          over: "inner",
          buffer: 1,
          index: rows.index.mul(3).add(columns.index),
          value: e.div(stageValue("f32", 1)),
        },
      ],
    };
    const input = launch.place("float32", [0, Math.log(2), Math.log(5), 7, 7, 7]);
    const output = launch.place("float32", new Array(6).fill(9));
    launch.run(new InterpreterBackend(launch.memory), kernel, [input, output]);
    const expected = [1 / 8, 2 / 8, 5 / 8, 1 / 3, 1 / 3, 1 / 3];
    launch.read(output).forEach((v, i) => {
      assert.ok(Math.abs(Number(v) - (expected[i] as number)) < 1e-7, `${i}: ${v}`);
    });
  });

  const reduceRow = (op: ReduceOp, dtype: "float32" | "int64" | "bool", values: (number | bigint)[], component = 0) => {
    const launch = new Launch();
    const inner = new Axis("i", i32(values.length));
    const type = dtype === "float32" ? "f32" : dtype === "int64" ? "i64" : "bool";
    const out = component === 1 ? "int32" : dtype;
    const kernel: RowKernel = {
      name: op,
      form: "row",
      buffers: [
        { dtype, access: "read" },
        { dtype: out, access: "write" },
      ],
      params: [],
      outer: [],
      inner: [inner],
      stages: [
        { kind: "reduce", op, value: load(type, 0, inner.index) },
        {
          kind: "store",
          over: "outer",
          buffer: 1,
          index: i32(0),
          value: stageValue(component === 1 ? "i32" : type, 0, component),
        },
      ],
    };
    const input = launch.place(dtype, values);
    const output = launch.place(out, [dtype === "int64" && out === "int64" ? 0n : 0]);
    launch.run(new InterpreterBackend(launch.memory), kernel, [input, output]);
    return launch.read(output)[0];
  };

  it("reduces", () => {
    assert.equal(reduceRow("sum", "float32", [2 ** 24, 1, 1]), 2 ** 24 + 2);
    assert.equal(reduceRow("prod", "float32", [2, 3, -4]), -24);
    assert.equal(reduceRow("sum", "float32", []), 0);
    assert.equal(reduceRow("prod", "int64", []), 1n);
    assert.equal(reduceRow("sum", "int64", [2n ** 63n - 1n, 1n]), -(2n ** 63n));
    assert.equal(reduceRow("max", "float32", []), Number.NEGATIVE_INFINITY);
    assert.equal(reduceRow("min", "int64", []), 2n ** 63n - 1n);
    assert.equal(reduceRow("max", "float32", [1, Number.NaN, 2]), Number.NaN);
    assert.equal(reduceRow("min", "float32", [3, -1, 2]), -1);
    assert.equal(reduceRow("min", "bool", [1, 1, 0]), 0);
    assert.equal(reduceRow("min", "bool", [1, 1]), 1);
    assert.equal(reduceRow("max", "bool", [0, 0]), 0);
    assert.equal(reduceRow("max", "bool", [0, 1]), 1);
    assert.throws(() => reduceRow("sum", "bool", [0, 1]), /sum of bool/);
  });

  it("finds the first of equal extremes, and NaN before all", () => {
    assert.equal(reduceRow("argmax", "float32", [1, 5, 5, 2], 1), 1);
    assert.equal(reduceRow("argmin", "int64", [4n, 1n, 1n], 1), 1);
    assert.equal(reduceRow("argmin", "float32", [1, Number.NaN, -1, Number.NaN], 1), 1);
    assert.equal(reduceRow("argmax", "float32", [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY], 1), 0);
    assert.equal(reduceRow("argmax", "float32", [1, 5, 5, 2], 0), 5);
  });

  it("computes all values of neighbouring stores before it writes: an optimizer step in place", () => {
    const launch = new Launch();
    const i = new Axis("i", i32(2));
    const kernel: RowKernel = {
      name: "momentum",
      form: "row",
      buffers: [
        { dtype: "float64", access: "readwrite" },
        { dtype: "float64", access: "readwrite" },
      ],
      params: [],
      outer: [i],
      inner: [],
      stages: [
        { kind: "store", over: "outer", buffer: 0, index: i.index, value: load("f64", 0, i.index).mul(2) },
        {
          kind: "store",
          over: "outer",
          buffer: 1,
          index: i.index,
          value: load("f64", 1, i.index).sub(load("f64", 0, i.index)),
        },
      ],
    };
    const moment = launch.place("float64", [3, 4]);
    const parameter = launch.place("float64", [10, 10]);
    launch.run(new InterpreterBackend(launch.memory), kernel, [moment, parameter]);
    assert.deepEqual(launch.read(moment), [6, 8]);
    assert.deepEqual(launch.read(parameter), [7, 6]);
  });

  it("refuses a value of the wrong type", () => {
    const i = new Axis("i", i32(1));
    const kernel: RowKernel = {
      name: "wrong",
      form: "row",
      buffers: [{ dtype: "float16", access: "write" }],
      params: [],
      outer: [i],
      inner: [],
      stages: [{ kind: "store", over: "outer", buffer: 0, index: i.index, value: constant("f64", 1) }],
    };
    const memory = new WebAssembly.Memory({ initial: 1 });
    assert.throws(() => new InterpreterBackend(memory).compile(kernel), /buffer 0 \(float16\) as f64/);
  });
});

describe("contractions in the interpreter", () => {
  it("multiplies batched matrices, with a mask and an epilogue", () => {
    const launch = new Launch();
    const [b, m, n, k] = [new Axis("b", i32(2)), new Axis("m", i32(2)), new Axis("n", i32(1)), new Axis("k", i32(3))];
    // The third k is padding: nothing may be read there.
    const kernel: ContractionKernel = {
      name: "bmm",
      form: "contraction",
      buffers: [
        { dtype: "float32", access: "read" },
        { dtype: "float32", access: "read" },
        { dtype: "float32", access: "write" },
      ],
      params: [],
      batch: [b],
      m: [m],
      n: [n],
      k: [k],
      a: load(
        "f32",
        0,
        b.index
          .mul(4)
          .add(m.index.mul(2))
          .add(k.index.mul(2 ** 20).mul(0))
          .add(k.index),
        k.index.lt(2),
      ),
      b: load("f32", 1, k.index.mul(1).add(b.index.mul(2)), k.index.lt(2)),
      accumulate: "f32",
      stores: [
        {
          buffer: 2,
          index: b.index.mul(2).add(m.index).add(n.index),
          value: accumulator("f32").add(100),
        },
      ],
    };
    const a = launch.place("float32", [1, 2, 3, 4, 5, 6, 7, 8]);
    const v = launch.place("float32", [1, 10, 2, -1]);
    const c = launch.place("float32", [0, 0, 0, 0]);
    const block = launch.block(kernel, [a, v, c], []);
    const compiled = new InterpreterBackend(launch.memory).compile(kernel);
    assert.equal(compiled.units(block), 4);
    compiled.run(block, 2, 4);
    assert.deepEqual(launch.read(c), [0, 0, 104, 106]);
    compiled.run(block, 0, 2);
    assert.deepEqual(launch.read(c), [121, 143, 104, 106]);
  });

  it("wraps integers", () => {
    const launch = new Launch();
    const k = new Axis("k", i32(2));
    const kernel: ContractionKernel = {
      name: "dot",
      form: "contraction",
      buffers: [
        { dtype: "int8", access: "read" },
        { dtype: "int8", access: "write" },
      ],
      params: [],
      batch: [],
      m: [],
      n: [],
      k: [k],
      a: load("i32", 0, k.index),
      b: load("i32", 0, k.index),
      accumulate: "i32",
      stores: [{ buffer: 1, index: i32(0), value: accumulator("i32") }],
    };
    const a = launch.place("int8", [100, -10]);
    const c = launch.place("int8", [0]);
    launch.run(new InterpreterBackend(launch.memory), kernel, [a, c]);
    assert.deepEqual(launch.read(c), [((10100 + 128) & 255) - 128]);
  });
});

describe("scatter in the interpreter", () => {
  const scatter = (
    mode: ScatterMode,
    dtype: "float32" | "bool",
    start: number[],
    index: number[],
    values: number[],
  ) => {
    const launch = new Launch();
    const i = new Axis("i", i32(index.length));
    const kernel: ScatterKernel = {
      name: `scatter ${mode}`,
      form: "scatter",
      buffers: [
        { dtype, access: "readwrite" },
        { dtype: "int64", access: "read" },
        { dtype, access: "read" },
      ],
      params: [],
      axes: [i],
      mode,
      buffer: 0,
      index: load("i64", 1, i.index).cast("i32"),
      value: load(dtype === "bool" ? "bool" : "f32", 2, i.index),
    };
    const out = launch.place(dtype, start);
    launch.run(new InterpreterBackend(launch.memory), kernel, [
      out,
      launch.place("int64", index.map(BigInt)),
      launch.place(dtype, values),
    ]);
    return launch.read(out);
  };

  it("combines in order", () => {
    assert.deepEqual(scatter("set", "float32", [1, 2, 3], [0, 2, 0], [7, 8, 9]), [9, 2, 8]);
    assert.deepEqual(scatter("add", "float32", [1, 2, 3], [0, 2, 0], [7, 8, 9]), [17, 2, 11]);
    assert.deepEqual(scatter("mul", "float32", [1, 2, 3], [0, 2, 0], [7, 8, 9]), [63, 2, 24]);
    assert.deepEqual(scatter("min", "float32", [8, 2, 3], [0, 2, 0], [7, Number.NaN, 9]), [7, 2, Number.NaN]);
    assert.deepEqual(scatter("max", "float32", [8, 2, 3], [0, 2, 0], [7, 8, 9]), [9, 2, 8]);
    assert.deepEqual(scatter("add", "bool", [0, 1, 0], [0, 2, 0], [1, 0, 0]), [1, 1, 0]);
    assert.deepEqual(scatter("mul", "bool", [1, 1, 1], [0, 2, 0], [1, 0, 0]), [0, 1, 0]);
  });
});
