/** Scatter kernels against the interpreter. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InterpreterBackend } from "../../src/backend/interpreter/interpreter.ts";
import { WasmBackend } from "../../src/backend/wasm/index.ts";
import type { DTypeName } from "../../src/dtype.ts";
import { Axis, computeType, load, param } from "../../src/ir/expr.ts";
import type { ScatterKernel, ScatterMode } from "../../src/ir/kernel.ts";
import { Launch } from "./launch.ts";

const dtypes: DTypeName[] = [
  "bool",
  "uint8",
  "int8",
  "int16",
  "int32",
  "int64",
  "float16",
  "bfloat16",
  "float32",
  "float64",
];
const modes: ScatterMode[] = ["set", "add", "mul", "min", "max"];
const row = new Axis("row", param("i32", 0));
const column = new Axis("column", param("i32", 1));

/** `out[index[row], column] = mode(…, values[row, column])`, as in the backward pass of an embedding. */
function kernel(dtype: DTypeName, mode: ScatterMode): ScatterKernel {
  const width = param("i32", 1);
  const at = load("i64", 1, row.index).cast("i32");
  return {
    form: "scatter",
    name: `scatter_${mode}`,
    buffers: [
      { dtype, access: "readwrite" },
      { dtype: "int64", access: "read" },
      { dtype, access: "read" },
    ],
    params: ["i32", "i32"],
    axes: [row, column],
    mode,
    buffer: 0,
    index: at.mul(width).add(column.index),
    value: load(computeType(dtype), 2, row.index.mul(width).add(column.index)),
  };
}

describe("scatter kernels", () => {
  for (const dtype of dtypes) {
    test(`${dtype} in every mode`, () => {
      const wide = dtype === "int64";
      const number = (v: number) => (wide ? BigInt(v) : v);
      const rows = 23;
      const columns = 5;
      const indices = Array.from({ length: rows }, (_, i) => BigInt((i * i) % 7));
      const values = Array.from({ length: rows * columns }, (_, i) => {
        if (dtype === "bool") return i % 3 === 0 ? 1 : 0;
        if (dtype.includes("float") && i % 41 === 0) return Number.NaN;
        return number(((i * 29) % 11) - (dtype === "uint8" ? 0 : 5));
      });
      const start = Array.from({ length: 7 * columns }, (_, i) => number(dtype === "bool" ? i & 1 : (i % 4) + 1));
      for (const mode of modes) {
        for (const features of [{}, { simd: false }]) {
          const launch = new Launch();
          const k = kernel(dtype, mode);
          const results = [new InterpreterBackend(launch.memory), new WasmBackend(launch.memory, { features })].map(
            (backend, which) => {
              const out = launch.place(dtype, start);
              const buffers = [out, launch.place("int64", indices), launch.place(dtype, values)];
              const block = launch.block(k, buffers, [rows, columns]);
              const compiled = backend.compile(k);
              assert.equal(compiled.units(block), rows * columns);
              if (which === 0) compiled.run(block, 0, rows * columns);
              else {
                // In parts that begin and end inside of rows.
                for (const [from, to] of [
                  [0, 3],
                  [3, 3],
                  [3, 58],
                  [58, rows * columns],
                ])
                  compiled.run(block, from, to);
              }
              return launch.read(out);
            },
          );
          assert.deepEqual(results[1], results[0], mode);
        }
      }
    });
  }
  test("without axes there is one index", () => {
    const launch = new Launch();
    const single: ScatterKernel = {
      ...kernel("float32", "add"),
      axes: [],
      index: param("i32", 0),
      value: param("f32", 1),
      params: ["i32", "f32"],
    };
    const out = launch.place("float32", [1, 2, 3]);
    const none = launch.place("int64", []);
    launch.run(new WasmBackend(launch.memory), single, [out, none, out], [1, 40]);
    assert.deepEqual(launch.read(out), [1, 42, 3]);
  });
});
