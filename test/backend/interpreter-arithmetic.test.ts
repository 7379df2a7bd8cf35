import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Value } from "../../src/backend/interpreter/elements.ts";
import { Evaluator, type Frame } from "../../src/backend/interpreter/evaluate.ts";
import { InterpreterBackend } from "../../src/backend/interpreter/interpreter.ts";
import type { DTypeName } from "../../src/dtype.ts";
import { fromBFloat16, fromFloat16, toBFloat16, toFloat16 } from "../../src/elements.ts";
import { Axis, type ComputeType, computeType, constant, type Expr, load, param } from "../../src/ir/expr.ts";
import type { RowKernel } from "../../src/ir/kernel.ts";
import { Launch } from "./launch.ts";

const INF = Number.POSITIVE_INFINITY;
const NAN = Number.NaN;

/** Evaluates an expression of parameters. */
function evaluate(types: ComputeType[], f: (...x: Expr[]) => Expr, ...params: Value[]): Value {
  const kernel: RowKernel = {
    name: "test",
    form: "row",
    buffers: [],
    params: types,
    outer: [],
    inner: [],
    stages: [],
  };
  const frame: Frame = {
    view: new DataView(new ArrayBuffer(0)),
    addresses: [],
    params,
    indices: new Map(),
    stages: [],
    accumulator: { value: 0, error: 0 },
    journal: undefined,
  };
  return new Evaluator(f(...types.map((t, i) => param(t, i))), kernel).evaluate(frame);
}

describe("operations in the interpreter", () => {
  it("int32 wraps; division truncates", () => {
    const op = (f: (a: Expr, b: Expr) => Expr, a: number, b: number) => evaluate(["i32", "i32"], f, a, b);
    const low = -(2 ** 31);
    assert.equal(
      op((a, b) => a.add(b), 2 ** 31 - 1, 1),
      low,
    );
    assert.equal(
      op((a, b) => a.sub(b), low, 1),
      2 ** 31 - 1,
    );
    assert.equal(
      op((a, b) => a.mul(b), 123456789, 987654321),
      Math.imul(123456789, 987654321),
    );
    assert.equal(
      op((a, b) => a.div(b), -7, 2),
      -3,
    );
    assert.equal(
      op((a, b) => a.div(b), low, -1),
      low,
    );
    assert.equal(
      op((a, b) => a.div(b), 7, 0),
      0,
    );
    assert.equal(
      op((a, b) => a.rem(b), -7, 2),
      -1,
    );
    assert.equal(
      op((a, b) => a.shl(b), 1, 33),
      2,
    );
    assert.equal(
      op((a, b) => a.shr(b), -8, 1),
      -4,
    );
    assert.equal(
      op((a, b) => a.shru(b), -8, 1),
      0x7ffffffc,
    );
    assert.equal(
      op((a) => a.abs(), low, 0),
      low,
    );
    assert.equal(
      op((a) => a.not(), 5, 0),
      -6,
    );
    assert.equal(
      op((a, b) => a.min(b), -5, 3),
      -5,
    );
  });

  it("int64 has all 64 bits", () => {
    const op = (f: (a: Expr, b: Expr) => Expr, a: bigint, b: bigint) => evaluate(["i64", "i64"], f, a, b);
    const low = -(2n ** 63n);
    assert.equal(
      op((a, b) => a.add(b), 2n ** 63n - 1n, 1n),
      low,
    );
    assert.equal(
      op((a, b) => a.mul(b), 2n ** 62n, 2n),
      low,
    );
    assert.equal(
      op((a, b) => a.div(b), low, -1n),
      low,
    );
    assert.equal(
      op((a, b) => a.div(b), -7n, 2n),
      -3n,
    );
    assert.equal(
      op((a, b) => a.rem(b), -7n, 0n),
      0n,
    );
    assert.equal(
      op((a, b) => a.shl(b), 1n, 65n),
      2n,
    );
    assert.equal(
      op((a, b) => a.shru(b), -1n, 1n),
      2n ** 63n - 1n,
    );
    assert.equal(
      op((a, b) => a.max(b), 2n ** 60n, 2n ** 60n + 1n),
      2n ** 60n + 1n,
    );
    assert.equal(
      op((a, b) => a.lt(b), 2n ** 60n, 2n ** 60n + 1n),
      1,
    );
  });

  it("float32 rounds after every operation, fma twice unless asked", () => {
    const op = (f: (a: Expr, b: Expr) => Expr, a: number, b: number) => evaluate(["f32", "f32"], f, a, b);
    assert.equal(
      op((a, b) => a.add(b).sub(a), 2 ** 24, 1),
      0,
    );
    assert.equal(
      op((a, b) => a.div(b), 1, 3),
      Math.fround(1 / 3),
    );
    assert.equal(
      op((a, b) => a.rem(b), -5.5, 2),
      -1.5,
    );
    assert.equal(
      op((a, b) => a.min(b), NAN, 2),
      NAN,
    );
    assert.equal(
      op((a, b) => a.max(b), 2, NAN),
      NAN,
    );
    assert.ok(
      Object.is(
        op((a, b) => a.min(b), 0, -0),
        -0,
      ),
    );
    const x = Math.fround(1 + 2 ** -12);
    assert.equal(
      op((a) => a.fma(a, -1), x, 0),
      Math.fround(x * x) - 1,
    );
  });

  it("rounds to integers; ties to even", () => {
    const nearest = (x: number) => evaluate(["f64"], (a) => a.nearest(), x);
    for (const [x, want] of [
      [0.5, 0],
      [1.5, 2],
      [2.5, 2],
      [-0.5, -0],
      [-1.5, -2],
      [0.49999999999999994, 0],
      [2 ** 52 + 1, 2 ** 52 + 1],
      [-0, -0],
      [INF, INF],
      [NAN, NAN],
    ] as const) {
      assert.ok(Object.is(nearest(x), want), `${x}: ${nearest(x)}`);
    }
    assert.ok(
      Object.is(
        evaluate(["f32"], (a) => a.ceil(), -0.5),
        -0,
      ),
    );
    assert.equal(
      evaluate(["f32"], (a) => a.trunc(), -1.9),
      -1,
    );
    assert.equal(
      evaluate(["f32"], (a) => a.floor(), -1.1),
      -2,
    );
  });

  it("casts: floats truncate and saturate, integers wrap", () => {
    const cast = (from: ComputeType, to: ComputeType, x: Value) => evaluate([from], (a) => a.cast(to), x);
    assert.equal(cast("f32", "i32", 3e9), 2 ** 31 - 1);
    assert.equal(cast("f64", "i32", -1.9), -1);
    assert.equal(cast("f32", "i32", NAN), 0);
    assert.equal(cast("f64", "i64", 1e30), 2n ** 63n - 1n);
    assert.equal(cast("f64", "i64", -INF), -(2n ** 63n));
    assert.equal(cast("i64", "i32", 2n ** 32n + 5n), 5);
    assert.equal(cast("i32", "i64", -1), -1n);
    assert.equal(cast("f32", "bool", NAN), 1);
    assert.equal(cast("i64", "bool", 0n), 0);
    assert.equal(cast("bool", "i64", 1), 1n);
    assert.equal(cast("i32", "f32", 2 ** 24 + 1), 2 ** 24);
    // 2^60 + 2^36 + 1 is just above halfway between two float32 numbers, but float64 rounds the 1 away.
    assert.equal(cast("i64", "f32", 2n ** 60n + 2n ** 36n + 1n), 2 ** 60 + 2 ** 37);
    assert.equal(cast("i64", "f32", -(2n ** 60n + 2n ** 36n + 1n)), -(2 ** 60 + 2 ** 37));
    assert.equal(cast("i64", "f32", 2n ** 60n + 2n ** 36n), 2 ** 60);
    assert.equal(cast("i64", "f32", -(2n ** 63n)), -(2 ** 63));
  });

  it("reinterprets bits", () => {
    assert.equal(
      evaluate(["f32"], (a) => a.bitcast("i32"), -2),
      0xc0000000 | 0,
    );
    assert.equal(
      evaluate(["i64"], (a) => a.bitcast("f64"), 0x3ff8000000000000n),
      1.5,
    );
    assert.equal(
      evaluate(["f64"], (a) => a.bitcast("i64"), -0),
      -(2n ** 63n),
    );
    assert.equal(
      evaluate(["i32"], (a) => a.bitcast("f32"), 1),
      2 ** -149,
    );
  });

  it("computes shared parts once", () => {
    let e = param("f64", 0);
    for (let i = 0; i < 200; i++) e = e.add(e).mul(0.5); // 2^200 paths
    assert.equal(
      evaluate(["f64"], () => e, 3),
      3,
    );
  });

  it("evaluates functions in double precision", () => {
    assert.equal(
      evaluate(["f32"], (a) => a.exp(), 1),
      Math.fround(Math.E),
    );
    assert.equal(
      evaluate(["f32"], (a) => a.fn("nextafter", 2), 1),
      1 + 2 ** -23,
    );
  });
});

describe("16-bit floats", () => {
  it("float16 round trips and rounds to nearest even", () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      const x = fromFloat16(bits);
      assert.equal(toFloat16(x), bits);
      assert.equal(toFloat16(-x), bits | 0x8000);
      const middle = bits === 0x7bff ? 65520 : (x + fromFloat16(bits + 1)) / 2;
      assert.equal(toFloat16(middle), bits & 1 ? bits + 1 : bits);
      assert.equal(toFloat16(middle * (1 + 2 ** -20)), bits + 1);
      assert.equal(toFloat16(middle * (1 - 2 ** -20)), bits);
    }
    assert.equal(fromFloat16(0x3c00), 1);
    assert.equal(fromFloat16(0x7c00), INF);
    assert.equal(fromFloat16(0x7e01), NAN);
    assert.equal(toFloat16(NAN) & 0x7c00, 0x7c00);
    assert.notEqual(toFloat16(NAN) & 0x3ff, 0);
    assert.equal(toFloat16(-INF), 0xfc00);
  });

  it("bfloat16 round trips and rounds to nearest even", () => {
    for (let bits = 0; bits < 0x7f80; bits++) {
      const x = fromBFloat16(bits);
      assert.equal(toBFloat16(x), bits);
      if (bits === 0x7f7f) continue;
      const middle = Math.fround((x + fromBFloat16(bits + 1)) / 2);
      assert.equal(toBFloat16(middle), bits & 1 ? bits + 1 : bits);
    }
    assert.equal(toBFloat16(3.4e38), 0x7f80);
    assert.ok(Number.isNaN(fromBFloat16(toBFloat16(NAN))));
    assert.equal(fromBFloat16(toBFloat16(-INF)), -INF);
  });
});

describe("elements in memory", () => {
  const copy = (from: DTypeName, to: DTypeName, values: Value[]): Value[] => {
    const launch = new Launch();
    const i = new Axis("i", constant("i32", values.length));
    const kernel: RowKernel = {
      name: "copy",
      form: "row",
      buffers: [
        { dtype: from, access: "read" },
        { dtype: to, access: "write" },
      ],
      params: [],
      outer: [i],
      inner: [],
      stages: [
        {
          kind: "store",
          over: "outer",
          buffer: 1,
          index: i.index,
          value: load(computeType(from), 0, i.index).cast(computeType(to)),
        },
      ],
    };
    const source = launch.place(from, values);
    const out = launch.place(to, new Array(values.length).fill(to === "int64" ? 0n : 0));
    launch.run(new InterpreterBackend(launch.memory), kernel, [source, out]);
    return launch.read(out);
  };

  it("convert as PyTorch converts", () => {
    assert.deepEqual(copy("int32", "uint8", [-1, 256, 300]), [255, 0, 44]);
    assert.deepEqual(copy("int64", "int16", [40000n, -40000n]), [-25536, 25536]);
    assert.deepEqual(copy("float32", "int8", [1.9, -1.9, 127]), [1, -1, 127]);
    assert.deepEqual(copy("float32", "bool", [0, -0, 0.1, NAN]), [0, 0, 1, 1]);
    assert.deepEqual(copy("bool", "float64", [1, 0]), [1, 0]);
    assert.deepEqual(copy("float32", "float16", [1e-8, 65519, 65520, 1 / 3]), [0, 65504, INF, 0.333251953125]);
    assert.deepEqual(copy("float32", "bfloat16", [1 / 3, -(2 ** -133)]), [0.333984375, -(2 ** -133)]);
    assert.deepEqual(copy("float16", "int64", [-2.5, 100]), [-2n, 100n]);
  });
});
