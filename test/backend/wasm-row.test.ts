/** Row kernels, with and without relaxed SIMD and SIMD. `differential.test.ts` has random ones. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InterpreterBackend } from "../../src/backend/interpreter/interpreter.ts";
import { WasmBackend } from "../../src/backend/wasm/index.ts";
import { Axis, constant, Expr, load, param, stageValue } from "../../src/ir/expr.ts";
import type { ReduceOp, RowKernel } from "../../src/ir/kernel.ts";
import { Launch } from "./launch.ts";

const features = [{}, { relaxed: false }, { simd: false }];

const n = new Axis("n", param("i32", 0));
const map = (from: "float16" | "bfloat16" | "float32", to: typeof from): RowKernel => ({
  form: "row",
  name: "copy",
  buffers: [
    { dtype: to, access: "write" },
    { dtype: from, access: "read" },
  ],
  params: ["i32"],
  outer: [n],
  inner: [],
  stages: [{ kind: "store", over: "outer", buffer: 0, index: n.index, value: load("f32", 1, n.index) }],
});
const reduceAll = (op: ReduceOp): RowKernel => ({
  ...map("float32", "float32"),
  name: op,
  outer: [],
  inner: [n],
  buffers: [
    { dtype: "float32", access: "write" },
    { dtype: "float32", access: "read" },
    { dtype: "int32", access: "write" },
  ],
  stages: [
    { kind: "reduce", op, value: load("f32", 1, n.index) },
    { kind: "store", over: "outer", buffer: 0, index: constant("i32", 0), value: stageValue("f32", 0) },
    ...(op.startsWith("arg")
      ? [
          {
            kind: "store",
            over: "outer",
            buffer: 2,
            index: constant("i32", 0),
            value: stageValue("i32", 0, 1),
          } as const,
        ]
      : []),
  ],
});

describe("row kernels", () => {
  for (const variant of features) {
    const name = JSON.stringify(variant);
    test(`every half float, both ways: ${name}`, () => {
      const launch = new Launch(64);
      const backend = new WasmBackend(launch.memory, { features: variant });
      const interpreter = new InterpreterBackend(launch.memory);
      // 65536 bit patterns, and float32 values at, between and just beside the halves.
      for (const dtype of ["float16", "bfloat16"] as const) {
        const bits = launch.place(
          "int16",
          Array.from({ length: 65536 }, (_, i) => i),
        );
        const halves = { ...bits, dtype };
        const floats = launch.place("float32", new Float32Array(65536));
        const reference = launch.place("float32", new Float32Array(65536));
        launch.run(backend, map(dtype, "float32"), [floats, halves], [65536]);
        launch.run(interpreter, map(dtype, "float32"), [reference, halves], [65536]);
        assert.deepEqual(launch.read(floats), launch.read(reference));

        const between = launch.read(floats).flatMap((x) => {
          const step = Math.abs(Number(x)) * 2 ** (dtype === "float16" ? -12 : -9) + 2 ** -26;
          return [Number(x), Number(x) + step, Number(x) + step * 1.001, Number(x) - step * 0.999];
        });
        const source = launch.place("float32", Float32Array.from(between));
        const rounded = launch.place("int16", new Int16Array(between.length));
        const expected = launch.place("int16", new Int16Array(between.length));
        launch.run(backend, map("float32", dtype), [{ ...rounded, dtype }, source], [between.length]);
        launch.run(interpreter, map("float32", dtype), [{ ...expected, dtype }, source], [between.length]);
        const actual = launch.read({ ...rounded, dtype });
        assert.deepEqual(actual, launch.read({ ...expected, dtype }));
      }
    });
    test(`extremes: first index, NaN, infinities: ${name}`, () => {
      const launch = new Launch();
      const backend = new WasmBackend(launch.memory, { features: variant });
      const check = (op: ReduceOp, values: number[], expected: number, position?: number) => {
        const out = launch.place("float32", [0]);
        const index = launch.place("int32", [-1]);
        launch.run(backend, reduceAll(op), [out, launch.place("float32", values), index], [values.length]);
        assert.equal(launch.read(out)[0], expected, `${op} of ${values}`);
        if (position !== undefined) assert.equal(launch.read(index)[0], position, `${op} of ${values}`);
      };
      for (const length of [1, 2, 5, 8, 15, 16, 17, 40]) {
        const infinite = new Array(length).fill(Number.NEGATIVE_INFINITY);
        check("argmax", infinite, Number.NEGATIVE_INFINITY, 0);
        check("max", infinite, Number.NEGATIVE_INFINITY);
        check("min", infinite, Number.NEGATIVE_INFINITY);
        for (let at = 0; at < length; at++) {
          const ties: number[] = Array.from({ length }, (_, i) => (i >= at ? 3 : 2));
          check("argmax", ties, 3, at);
          check(
            "argmin",
            ties.map((x) => -x),
            -3,
            at,
          );
          const missing = ties.slice();
          missing[at] = Number.NaN;
          missing[length - 1] = Number.NaN;
          check("argmax", missing, Number.NaN, at);
          check("argmin", missing, Number.NaN, at);
          check("max", missing, Number.NaN);
          check("min", missing, Number.NaN);
        }
      }
    });
    test(`a sum of many float32 has a rounding error of one number: ${name}`, () => {
      const launch = new Launch();
      const backend = new WasmBackend(launch.memory, { features: variant });
      const values = Float32Array.from({ length: 1_000_003 }, (_, i) => ((i * 7919) % 1000) / 1000 + 0.1);
      const exact = values.reduce((s, x) => s + x, 0);
      const out = launch.place("float32", [0]);
      const index = launch.place("int32", [0]);
      launch.run(backend, reduceAll("sum"), [out, launch.place("float32", values), index], [values.length]);
      assert.ok(Math.abs(Number(launch.read(out)[0]) / exact - 1) < 1.2e-7);
    });
    test(`neighbouring stores see the old values: ${name}`, () => {
      const launch = new Launch();
      const x = load("f32", 0, n.index);
      const y = load("f32", 1, n.index);
      const kernel: RowKernel = {
        ...map("float32", "float32"),
        buffers: [
          { dtype: "float32", access: "readwrite" },
          { dtype: "float32", access: "readwrite" },
        ],
        stages: [
          { kind: "store", over: "outer", buffer: 0, index: n.index, value: y },
          { kind: "store", over: "outer", buffer: 1, index: n.index, value: x },
        ],
      };
      const values = Array.from({ length: 39 }, (_, i) => i);
      const a = launch.place("float32", values);
      const b = launch.place(
        "float32",
        values.map((v) => -v - 1),
      );
      launch.run(new WasmBackend(launch.memory, { features: variant }), kernel, [a, b], [39]);
      assert.deepEqual(
        launch.read(a),
        values.map((v) => -v - 1),
      );
      assert.deepEqual(launch.read(b), values);
    });
    test(`a stage sees what an earlier one stored: ${name}`, () => {
      const launch = new Launch();
      const r = new Axis("r", param("i32", 1));
      const at = r.index.mul(param("i32", 0)).add(n.index);
      const kernel: RowKernel = {
        form: "row",
        name: "twice",
        buffers: [
          { dtype: "float32", access: "readwrite" },
          { dtype: "float32", access: "write" },
        ],
        params: ["i32", "i32"],
        outer: [r],
        inner: [n],
        stages: [
          { kind: "store", over: "inner", buffer: 0, index: at, value: load("f32", 0, at).mul(2) },
          { kind: "reduce", op: "sum", value: load("f32", 0, at) },
          { kind: "store", over: "outer", buffer: 1, index: r.index, value: stageValue("f32", 1) },
        ],
      };
      const a = launch.place(
        "float32",
        Array.from({ length: 3 * 21 }, (_, i) => i),
      );
      const sums = launch.place("float32", [0, 0, 0]);
      launch.run(new WasmBackend(launch.memory, { features: variant }), kernel, [a, sums], [21, 3]);
      assert.deepEqual(launch.read(sums), [420, 420 + 882, 420 + 2 * 882]);
    });
    test(`functions: ${name}`, () => {
      const launch = new Launch();
      const values = [-20, -3, -1, -0.5, -1e-3, 0, 1e-3, 0.3, 0.7, 1, 2, 5, 30, Number.NaN, 1e30];
      for (const fn of ["exp", "log", "sin", "tanh", "erf", "sigmoid", "digamma", "acosh"] as const) {
        const kernel = map("float32", "float32");
        const value = load("f32", 1, n.index).fn(fn);
        const stages = [{ kind: "store", over: "outer", buffer: 0, index: n.index, value } as const];
        const source = launch.place("float32", values);
        const out = launch.place("float32", values);
        const expected = launch.place("float32", values);
        const params = [values.length];
        launch.run(new WasmBackend(launch.memory, { features: variant }), { ...kernel, stages }, [out, source], params);
        launch.run(new InterpreterBackend(launch.memory), { ...kernel, stages }, [expected, source], params);
        const reference = launch.read(expected).map(Number);
        launch.read(out).forEach((x, i) => {
          const error = Math.abs(Number(x) - reference[i]);
          const fine =
            Object.is(Number(x), reference[i]) || Number(x) === reference[i] || error <= 4e-7 * Math.abs(reference[i]);
          assert.ok(fine, `${fn}(${values[i]}) is ${x}, not ${reference[i]}`);
        });
      }
    });
  }
  test("transposed operands, in launches that begin and end inside of rows", () => {
    const [batch, r, c] = ["batch", "row", "column"].map((name, i) => new Axis(name, param("i32", i)));
    for (const dtype of ["float32", "bool", "int64", "float16", "int16"] as const) {
      const type = dtype === "bool" ? "bool" : dtype === "int64" ? "i64" : dtype === "int16" ? "i32" : "f32";
      const [rows, columns] = [param("i32", 1), param("i32", 2)];
      const from = batch.index.mul(columns).add(c.index).mul(rows).add(r.index);
      const to = batch.index.mul(rows).add(r.index).mul(columns).add(c.index);
      const kernel: RowKernel = {
        form: "row",
        name: "transpose",
        buffers: [
          { dtype, access: "write" },
          { dtype, access: "read" },
        ],
        params: ["i32", "i32", "i32"],
        outer: [batch, r, c],
        inner: [],
        stages: [{ kind: "store", over: "outer", buffer: 0, index: to, value: load(type, 1, from) }],
      };
      for (const [b, h, w] of [
        [2, 27, 5],
        [1, 8, 3],
        [3, 16, 1],
        [2, 7, 9],
      ]) {
        const count = b * h * w;
        const number = (i: number) => (dtype === "bool" ? (i % 3) & 1 : dtype === "int64" ? BigInt(i) : i);
        const data = Array.from({ length: count }, (_, i) => number(i));
        const expected = Array.from({ length: count }, (_, i) => {
          const column = i % w;
          const row = Math.floor(i / w) % h;
          return number((Math.floor(i / w / h) * w + column) * h + row);
        });
        for (const borders of [
          [0, count],
          [0, 1, count - 1, count],
          [0, w, 13 % count, count],
        ]) {
          const launch = new Launch();
          const out = launch.place(
            dtype,
            data.map(() => number(0)),
          );
          const block = launch.block(kernel, [out, launch.place(dtype, data)], [b, h, w]);
          const compiled = new WasmBackend(launch.memory).compile(kernel);
          const sorted = borders.slice().sort((x, y) => x - y);
          for (let i = 1; i < sorted.length; i++) compiled.run(block, sorted[i - 1], sorted[i]);
          assert.deepEqual(launch.read(out), expected, `${dtype} ${b}x${h}x${w} ${borders}`);
        }
      }
    }
  });
  test("kernels outlive a growing memory", () => {
    const launch = new Launch(2);
    const backend = new WasmBackend(launch.memory);
    const kernel = map("float32", "float32");
    const compiled = backend.compile(kernel);
    launch.memory.grow(100);
    const far = { dtype: "float32", address: 80 * 65536, length: 5 } as const;
    launch.write(far, [1, 2, 3, 4, 5]);
    const out = launch.place("float32", [0, 0, 0, 0, 0]);
    const block = launch.block(kernel, [out, far], [5]);
    assert.equal(compiled.units(block), 5);
    compiled.run(block, 0, 5);
    assert.deepEqual(launch.read(out), [1, 2, 3, 4, 5]);
  });
  test("a shared memory works", () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 16, shared: true });
    const launch = new Launch(2, memory);
    const out = launch.place("float32", [0, 0, 0]);
    launch.run(new WasmBackend(memory), map("float32", "float32"), [out, launch.place("float32", [1, 2, 3])], [3]);
    assert.deepEqual(launch.read(out), [1, 2, 3]);
  });
  test("inconsistent kernels are refused", () => {
    const backend = new WasmBackend(new WebAssembly.Memory({ initial: 1 }));
    const kernel = map("float32", "float32");
    const store = { kind: "store", over: "outer", buffer: 0, index: n.index } as const;
    assert.throws(
      () => backend.compile({ ...kernel, stages: [{ ...store, value: constant("i32", 1) }] }),
      /IR: store of i32/,
    );
    assert.throws(
      () => backend.compile({ ...kernel, stages: [{ ...store, value: load("i64", 1, n.index) }] }),
      /IR: load of/,
    );
    const stage = new Expr("stage", "f32", [], { slot: 0 });
    assert.throws(() => backend.compile({ ...kernel, stages: [{ ...store, value: stage }] }), /IR: stage/);
  });
});
