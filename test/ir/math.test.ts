import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { constant, type Expr, type FunctionName, param, walk } from "../../src/ir/expr.ts";
import { hasDecomposition, lower } from "../../src/ir/math.ts";
import { hostFunctions, nextafterFloat32 } from "../../src/ir/special.ts";
import { fromBits, lowered, sweep, ulps } from "./accuracy.ts";

const INF = Number.POSITIVE_INFINITY;
const NAN = Number.NaN;

/** Ranges of magnitudes that are swept, both signs, besides all magnitudes. */
const ranges: Partial<Record<FunctionName, [number, number][]>> = {
  exp: [[0.1, 104]],
  exp2: [[0.1, 150]],
  expm1: [[1e-3, 90]],
  log: [[0.5, 2]],
  log2: [[0.5, 2]],
  log10: [[0.5, 2]],
  log1p: [[1e-4, 3]],
  sin: [
    [1e-2, 10],
    [10, 1.1e5],
  ],
  cos: [
    [1e-4, 10],
    [10, 1.1e5],
  ],
  tan: [
    [1e-2, 10],
    [10, 1.1e5],
  ],
  asin: [[0.01, 1]],
  acos: [[0.01, 1]],
  atan: [[0.01, 100]],
  sinh: [[1e-3, 90]],
  cosh: [[1e-3, 90]],
  tanh: [[1e-3, 10]],
  asinh: [[1e-4, 10]],
  acosh: [[1, 2]],
  atanh: [[1e-4, 1]],
  erf: [[1e-3, 4]],
  erfc: [[1e-3, 11]],
  sigmoid: [[1e-3, 104]],
};

/** Where mistakes hide: zeros, the ends of the number range, borders of the decompositions. */
const special = [
  0,
  1,
  2,
  3,
  0.5,
  0.25,
  0.625,
  10,
  64,
  100,
  1e5,
  1e10,
  9.02,
  3.93,
  17,
  18,
  20,
  87,
  87.33654,
  88,
  88.72283,
  88.72284,
  89,
  89.4,
  89.5,
  90,
  103,
  103.97,
  104,
  126,
  127,
  128,
  129,
  149,
  149.5,
  150,
  151,
  Math.PI,
  Math.PI / 2,
  Math.PI / 4,
  Math.SQRT2,
  Math.SQRT1_2,
  2 ** -149,
  2 ** -126,
  2 ** -127,
  2 ** -25,
  2 ** -24,
  2 ** -12,
  2 ** -5,
  2 ** 24,
  2 ** 127,
  3.4028234663852886e38,
  1 - 2 ** -24,
  1 + 2 ** -23,
  1 - 2 ** -12,
  INF,
  NAN,
].flatMap((x) => [x, -x]);

function worst(name: FunctionName, fused: boolean, xs: Iterable<number>): { ulp: number; at: number } {
  const f = lowered(name, fused);
  const exact = hostFunctions[name];
  const found = { ulp: 0, at: 0 };
  for (const value of xs) {
    const x = Math.fround(value);
    const ulp = ulps(f(x), exact(x, 0));
    if (ulp > found.ulp) Object.assign(found, { ulp, at: x });
  }
  return found;
}

describe("float32 functions are within 2 ulp, fused or not", () => {
  for (const name of Object.keys(ranges) as FunctionName[]) {
    it(name, () => {
      for (const fused of [false, true]) {
        const inputs = [special, sweep(4000), ...(ranges[name] ?? []).map(([low, high]) => sweep(6000, low, high))];
        for (const xs of inputs) {
          const { ulp, at } = worst(name, fused, xs);
          assert.ok(ulp <= 2, `${name}(${at}) is off by ${ulp} ulp, fused: ${fused}`);
        }
      }
    });
  }

  it("sin, cos and tan at the float32 numbers nearest to multiples of π/2, of any size", () => {
    const xs: number[] = [];
    for (let n = 1; n <= 70_000; n += n < 3000 ? 1 : 17) xs.push((n * Math.PI) / 2);
    for (let exponent = 16; exponent < 128; exponent++) {
      for (const m of [1.1, 1.37, 1.62, 1.93]) xs.push((Math.round((2 ** exponent * m) / (Math.PI / 2)) * Math.PI) / 2);
    }
    // The float32 number that comes nearest to a multiple of π/2 (Muller, "Elementary Functions", chapter 11).
    xs.push(16367173 * 2 ** 72);
    for (const name of ["sin", "cos", "tan"] as const) {
      const { ulp, at } = worst(name, false, xs);
      assert.ok(ulp <= 2, `${name}(${at}) is off by ${ulp} ulp`);
    }
  });

  it("keeps the sign of zero", () => {
    for (const name of [
      "sin",
      "tan",
      "asin",
      "atan",
      "sinh",
      "tanh",
      "asinh",
      "atanh",
      "erf",
      "expm1",
      "log1p",
    ] as const) {
      assert.ok(Object.is(lowered(name, false)(-0), -0), name);
      assert.ok(Object.is(lowered(name, false)(0), 0), name);
    }
  });

  it("exp2 and log2 are exact where the result is whole, sin(0) is 0 and cos(0) is 1", () => {
    const exp2 = lowered("exp2", false);
    const log2 = lowered("log2", false);
    for (let n = -149; n < 128; n++) {
      assert.equal(exp2(n), 2 ** n);
      assert.equal(log2(2 ** n), n);
    }
    assert.equal(lowered("cos", false)(0), 1);
    assert.equal(lowered("exp", false)(0), 1);
    assert.equal(lowered("sigmoid", false)(0), 0.5);
  });
});

describe("functions of two float32 numbers", () => {
  const interesting = [
    0,
    1,
    -1,
    0.5,
    -0.5,
    2,
    -2,
    3,
    -3,
    4,
    7,
    1.5,
    -1.5,
    0.75,
    1e-3,
    33,
    -33,
    100,
    127,
    128,
    1e10,
    -1e10,
    1e38,
    1e-38,
    1e-45,
    2 ** 24 - 1,
    -(2 ** 24 - 1),
    2 ** 24,
    2 ** 23 + 1,
    1 - 2 ** -24,
    1 + 2 ** -23,
    3.4028234663852886e38,
    INF,
    -INF,
    NAN,
    -0,
  ];

  for (const name of ["pow", "atan2", "hypot"] as const) {
    it(name, () => {
      const exact = hostFunctions[name];
      const check = (f: (x: number, y: number) => number, x: number, y: number): void => {
        const got = f(x, y);
        const want = exact(x, y);
        assert.ok(ulps(got, want) <= 2, `${name}(${x}, ${y}) = ${got}, not ${want}`);
        // A zero's sign matters to atan2 and to odd powers.
        if (want === 0) assert.equal(1 / got, 1 / want, `sign of ${name}(${x}, ${y})`);
      };
      for (const fused of [false, true]) {
        const f = lowered(name, fused);
        for (const a of interesting) for (const b of interesting) check(f, Math.fround(a), Math.fround(b));
        const xs = sweep(4000, 2 ** -140, INF);
        const ys = sweep(4000, 1e-3, 200);
        xs.forEach((x, i) => {
          check(f, x, ys[(i * 7 + 3) % ys.length] as number);
        });
        // Powers that reach from underflow to overflow.
        xs.forEach((x, i) => {
          const y = Math.fround((((i * 0.754877666) % 1) * 210 - 105) / Math.log(Math.abs(x)));
          check(f, Math.abs(x), y);
        });
      }
    });
  }

  it("pow follows C where JavaScript does not", () => {
    const pow = lowered("pow", false);
    assert.equal(pow(1, NAN), 1);
    assert.equal(pow(NAN, 0), 1);
    assert.equal(pow(-1, INF), 1);
    assert.equal(pow(-1, -INF), 1);
    assert.equal(pow(-8, 1 / 3), NAN);
    assert.equal(pow(-INF, 0.5), INF);
    assert.equal(pow(-INF, -3), -0);
    assert.equal(pow(-0, -3), -INF);
    assert.equal(pow(-2, 3), -8);
    assert.equal(pow(3, 2), 9);
  });

  it("nextafter", () => {
    const f = lowered("nextafter", false);
    for (const a of interesting) {
      for (const b of interesting) {
        const [x, y] = [Math.fround(a), Math.fround(b)];
        assert.equal(f(x, y), nextafterFloat32(x, y), `${x} ${y}`);
      }
    }
    assert.equal(f(1, 2), 1 + 2 ** -23);
    assert.equal(f(1, 0), 1 - 2 ** -24);
    assert.equal(f(0, -1), -(2 ** -149));
    assert.equal(f(-1, 0), -1 + 2 ** -24);
    assert.equal(f(3.4028234663852886e38, INF), INF);
    assert.equal(f(fromBits(0x800000), 0), fromBits(0x7fffff));
  });
});

describe("lower", () => {
  const opsOf = (e: Expr): Set<string> => {
    const ops = new Set<string>();
    walk(e, (node) => ops.add(node.op));
    return ops;
  };

  it("leaves no function, and calls the host only where there is no decomposition", () => {
    for (const name of Object.keys(hostFunctions) as FunctionName[]) {
      const x = param("f32", 0);
      const ops = opsOf(lower(x.fn(name, param("f32", 1))));
      assert.ok(!ops.has("function"), name);
      assert.equal(ops.has("host"), !hasDecomposition(name), name);
      const wide = opsOf(lower(param("f64", 0).fn(name, param("f64", 1))));
      assert.equal(wide.has("host"), name !== "nextafter", name);
    }
  });

  it("works below other operations, once for a shared part", () => {
    const e = param("f32", 0).exp();
    const lowered = lower(e.add(e).mul(constant("f32", 2)));
    const sum = lowered.args[0] as Expr;
    assert.equal(sum.op, "add");
    assert.equal(sum.args[0], sum.args[1]);
  });

  it("gives host calls float64 operands", () => {
    const e = lower(param("f32", 0).fn("lgamma"));
    assert.equal(e.type, "f32");
    const call = e.args[0] as Expr;
    assert.deepEqual([call.op, call.type, call.args[0]?.type], ["host", "f64", "f64"]);
  });
});
