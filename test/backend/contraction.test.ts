import assert from "node:assert/strict";
import { test } from "node:test";
import { InterpreterBackend } from "../../src/backend/interpreter/interpreter.ts";
import { emitContraction } from "../../src/backend/wasm/contraction.ts";
import { chooseFeatures, type Features } from "../../src/backend/wasm/features.ts";
import { hostImports } from "../../src/backend/wasm/host.ts";
import type { DTypeName } from "../../src/dtype.ts";
import {
  Axis,
  accumulator,
  type ComputeType,
  computeType,
  constant,
  type Expr,
  load,
  param,
} from "../../src/ir/expr.ts";
import type { ContractionKernel } from "../../src/ir/kernel.ts";

const memory = new WebAssembly.Memory({ initial: 320 });
const BLOCK = 1024;
const SCRATCH = 65536;
const DATA = SCRATCH + (6 << 20);
const reference = new InterpreterBackend(memory);

/** A small deterministic generator: tests must fail the same way twice. */
class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed;
  }
  /** In [0, 1). */
  next(): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return this.state / 2 ** 32;
  }
  /** An integer in [low, high]. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }
  pick<T>(list: readonly T[]): T {
    return list[this.int(0, list.length - 1)] as T;
  }
}

const arrays = {
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** Changes the contents of a float32 buffer before a run. */
type Change = (array: Float32Array, buffer: number) => void;

/** One kernel with concrete sizes; everything numeric is a parameter, as in the kernels that the ops make. */
class Launch {
  readonly params: { readonly type: ComputeType; readonly value: number | bigint }[] = [];
  readonly buffers: { readonly dtype: DTypeName; readonly access: "read" | "write"; readonly length: number }[] = [];

  param(type: ComputeType, value: number | bigint): Expr {
    return param(type, this.params.push({ type, value }) - 1);
  }
  axis(name: string, size: number): Axis {
    return new Axis(name, this.param("i32", size));
  }
  stride(value: number): Expr {
    return value === 0 || value === 1 ? constant("i32", value) : this.param("i32", value);
  }
  index(...terms: readonly (readonly [Axis, number])[]): Expr {
    let sum: Expr = constant("i32", 0);
    for (const [axis, stride] of terms) sum = sum.add(axis.index.mul(this.stride(stride)));
    return sum;
  }
  buffer(dtype: DTypeName, length: number, access: "read" | "write" = "read"): number {
    return this.buffers.push({ dtype, access, length }) - 1;
  }

  kernel(parts: Omit<ContractionKernel, "form" | "name" | "buffers" | "params">): ContractionKernel {
    return {
      form: "contraction",
      name: "test",
      buffers: this.buffers,
      params: this.params.map(({ type }) => type),
      ...parts,
    };
  }

  private prepare(seed: number, change: Change): number[] {
    const view = new DataView(memory.buffer);
    const random = new Random(seed);
    // Whatever lies between the buffers must not matter.
    const total = this.buffers.reduce(
      (sum, { dtype, length }) => sum + length * arrays[dtype].BYTES_PER_ELEMENT + 64,
      64,
    );
    new Uint8Array(memory.buffer, DATA, total).fill(0xff);
    let address = DATA + 32;
    const addresses = this.buffers.map(({ dtype, length, access }, i) => {
      const array = new arrays[dtype](memory.buffer, address, length);
      for (let j = 0; j < length; j++) {
        if (access === "write") array[j] = dtype === "int64" ? 77n : 77;
        else if (dtype === "float16") array[j] = random.pick([0x3c00, 0xbc00, 0x3800, 0x0001, 0x4200, 0]);
        else if (dtype === "bfloat16") array[j] = random.pick([0x3f80, 0xbf80, 0x3f00, 0x4040, 0]);
        else if (dtype === "int64") array[j] = BigInt(random.int(-9, 9)) << BigInt(random.int(0, 20));
        else if (dtype === "float32" || dtype === "float64") array[j] = random.next() * 2 - 1;
        else array[j] = random.int(0, 9) - (dtype === "uint8" || dtype === "bool" ? 0 : 4);
      }
      if (array instanceof Float32Array) change(array, i);
      view.setInt32(BLOCK + 8 * i, address, true);
      const start = address;
      address += (array.byteLength + 40) & ~7;
      return start;
    });
    for (const [i, { type, value }] of this.params.entries()) {
      const slot = BLOCK + 8 * (this.buffers.length + i);
      if (type === "i64") view.setBigInt64(slot, BigInt(value), true);
      else if (type === "f32") view.setFloat32(slot, Number(value), true);
      else if (type === "f64") view.setFloat64(slot, Number(value), true);
      else view.setInt32(slot, Number(value), true);
    }
    return addresses;
  }

  /** Runs the kernel with wasm, unit by unit in reverse and all at once, and compares with the interpreter. */
  check(kernel: ContractionKernel, features: Features, tolerance = 2e-6, change: Change = () => {}): void {
    const { bytes, units, scratchBytes } = emitContraction(kernel, features);
    const scratch = (asked: number): number => {
      assert.equal(
        asked,
        scratchBytes((slot) => view.getInt32(BLOCK + 8 * slot, true)),
      );
      assert.ok(asked <= DATA - SCRATCH, `scratch of ${asked} bytes`);
      return SCRATCH;
    };
    const { run } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory, scratch },
      host: hostImports,
    }).exports as { run: (block: number, begin: number, end: number) => void };
    const outputs = [...this.buffers.keys()].filter((i) => this.buffers[i]?.access === "write");
    const read = (addresses: readonly number[]) =>
      outputs.map((i) => {
        const { dtype, length } = this.buffers[i] as (typeof this.buffers)[number];
        return new arrays[dtype](memory.buffer, addresses[i] as number, length).slice();
      });
    const dirty = () => new Uint8Array(memory.buffer, SCRATCH, dirtied()).fill(0xff);
    const dirtied = () => scratchBytes((slot) => view.getInt32(BLOCK + 8 * slot, true));
    const view = new DataView(memory.buffer);

    let addresses = this.prepare(1, change);
    const compiled = reference.compile(kernel);
    compiled.run(BLOCK, 0, compiled.units(BLOCK));
    const expected = read(addresses);

    addresses = this.prepare(1, change);
    dirty();
    const count = units((slot) => view.getInt32(BLOCK + 8 * slot, true));
    run(BLOCK, 0, count);
    const actual = read(addresses);

    addresses = this.prepare(1, change);
    dirty();
    for (let unit = count - 1; unit >= 0; unit--) run(BLOCK, unit, unit + 1);
    const divided = read(addresses);
    assert.deepEqual(divided, actual, "the result depends on the division into units");

    for (const [o, list] of expected.entries()) {
      // Halves are compared as bits: one may be rounded to the neighbouring half.
      const half = list instanceof Uint16Array;
      let scale = 1;
      if (!half)
        for (const value of list) if (Number.isFinite(Number(value))) scale = Math.max(scale, Math.abs(Number(value)));
      for (const [i, value] of list.entries()) {
        const got = (actual[o] as (typeof expected)[number])[i];
        if (typeof value === "bigint") assert.equal(got, value, `output ${o}, element ${i}`);
        else {
          const error = Object.is(value, got) ? 0 : Math.abs(value - Number(got));
          if (!(error <= (half ? 1 : tolerance * scale)))
            assert.fail(`output ${o}, element ${i}: ${got}, expected ${value}`);
        }
      }
    }
  }
}

const variants = [chooseFeatures({ relaxed: false }), chooseFeatures({ wide: false }), chooseFeatures()];

/** A matrix product with random layouts; `batchStrides` 0 broadcast. */
function checkGemm(
  features: Features,
  [batch, m, n, k]: readonly [number, number, number, number],
  options: {
    transA?: boolean;
    transB?: boolean;
    transC?: boolean;
    broadcastA?: boolean;
    padding?: number;
    accumulate?: ComputeType;
    dtypes?: readonly [DTypeName, DTypeName, DTypeName];
    epilogue?: (l: Launch, sum: Expr, axes: { B: Axis; M: Axis; N: Axis }) => Expr;
    tolerance?: number;
  } = {},
): void {
  const { transA, transB, transC, broadcastA, padding = 0, accumulate = "f32", epilogue } = options;
  const dtypes = options.dtypes ?? ["float32", "float32", "float32"];
  const l = new Launch();
  const [B, M, N, K] = [l.axis("b", batch), l.axis("m", m), l.axis("n", n), l.axis("k", k)];
  const matrix = (rows: Axis, r: number, columns: Axis, c: number, transposed: boolean | undefined) => {
    const pitch = (transposed ? r : c) + padding;
    const size = (transposed ? c : r) * pitch;
    return { size, index: transposed ? l.index([rows, 1], [columns, pitch]) : l.index([rows, pitch], [columns, 1]) };
  };
  const a = matrix(M, m, K, k, transA);
  const b = matrix(K, k, N, n, transB);
  const c = matrix(M, m, N, n, transC);
  const slots = [
    l.buffer(dtypes[0], batch * a.size),
    l.buffer(dtypes[1], batch * b.size),
    l.buffer(dtypes[2], batch * c.size, "write"),
  ] as const;
  const operand = (slot: number, dtype: DTypeName, index: Expr) =>
    load(computeType(dtype), slot, index).cast(accumulate);
  const sum = accumulator(accumulate);
  const value = epilogue ? epilogue(l, sum, { B, M, N }) : sum.cast(computeType(dtypes[2]));
  const kernel = l.kernel({
    batch: [B],
    m: [M],
    n: [N],
    k: [K],
    a: operand(slots[0], dtypes[0], l.index([B, broadcastA ? 0 : a.size]).add(a.index)),
    b: operand(slots[1], dtypes[1], l.index([B, b.size]).add(b.index)),
    accumulate,
    stores: [{ buffer: slots[2], index: l.index([B, c.size]).add(c.index), value }],
  });
  l.check(kernel, features, options.tolerance);
}

for (const features of variants) {
  const suffix = !features.relaxed ? ", without relaxed SIMD" : features.wide ? "" : ", with 128-bit vectors";

  test(`matrix products of all layouts and edge sizes${suffix}`, () => {
    const random = new Random(3);
    for (const m of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]) {
      for (const n of [1, 3, 4, 7, 8, 9, 17]) {
        checkGemm(features, [random.int(1, 2), m, n, random.int(1, 13)], {
          transA: random.next() < 0.5,
          transB: random.next() < 0.5,
          transC: random.next() < 0.3,
          broadcastA: random.next() < 0.5,
          padding: random.int(0, 2),
        });
      }
    }
  });

  test(`more than one block of rows, columns and k${suffix}`, () => {
    checkGemm(features, [1, 200, 20, 9]);
    checkGemm(features, [2, 7, 530, 5], { transB: true });
    checkGemm(features, [1, 7, 21, 1000], { transA: true });
    checkGemm(features, [1, 20, 13, 900], { transB: true });
    checkGemm(features, [1, 195, 515, 2], { transA: true, transC: true });
    checkGemm(features, [1, 194, 9, 386]);
    // Several blocks in both directions, so that packed operands serve more than one unit.
    checkGemm(features, [1, 200, 530, 8], { transB: true });
    checkGemm(features, [1, 200, 530, 8], { accumulate: "f64", dtypes: ["float64", "float64", "float64"] });
  });

  test(`few rows: long runs of columns, and dot products${suffix}`, () => {
    for (const m of [1, 2, 4]) checkGemm(features, [1, m, 2113, 43], { transA: m === 2 });
    checkGemm(features, [2, 3, 1030, 70], { accumulate: "f64", dtypes: ["float64", "float64", "float64"] });
    checkGemm(features, [1, 1, 180, 400]);
    for (const m of [1, 2, 3, 5, 7, 8]) checkGemm(features, [2, m, 9 + m, 16 * m + 7], { transB: true });
    checkGemm(features, [1, 150, 1, 500], { padding: 1 });
  });

  test(`operands with any step along k${suffix}`, () => {
    for (const [stepA, stepB] of [
      [0, 0],
      [0, 20],
      [3, 0],
      [-1, 20],
      [7, -20],
      [1024, 1],
    ] as const) {
      const l = new Launch();
      const [m, n, k] = [7, 20, 9];
      const [M, N, K] = [l.axis("m", m), l.axis("n", n), l.axis("k", k)];
      const buffer = (step: number, others: number) => l.buffer("float32", Math.abs(step) * (k - 1) + others);
      const start = (step: number) => constant("i32", step < 0 ? -step * (k - 1) : 0);
      const a = buffer(stepA, m);
      const b = buffer(stepB, n);
      const c = l.buffer("float32", m * n, "write");
      l.check(
        l.kernel({
          batch: [],
          m: [M],
          n: [N],
          k: [K],
          a: load("f32", a, start(stepA).add(l.index([M, 1], [K, stepA]))),
          b: load("f32", b, start(stepB).add(l.index([N, 1], [K, stepB]))),
          accumulate: "f32",
          stores: [{ buffer: c, index: l.index([M, n], [N, 1]), value: accumulator("f32") }],
        }),
        features,
      );
    }
  });

  test(`empty and single sizes${suffix}`, () => {
    for (const sizes of [
      [0, 2, 3, 4],
      [1, 0, 3, 4],
      [1, 3, 0, 4],
      [1, 3, 5, 0],
      [2, 9, 17, 0],
      [1, 1, 1, 1],
      [1, 1, 300, 500],
      [1, 300, 1, 500],
    ] as const)
      checkGemm(features, sizes);
    const l = new Launch();
    const [a, b, c] = [l.buffer("float32", 1), l.buffer("float32", 1), l.buffer("float32", 1, "write")];
    const zero = constant("i32", 0);
    l.check(
      l.kernel({
        batch: [],
        m: [],
        n: [],
        k: [],
        a: load("f32", a, zero),
        b: load("f32", b, zero),
        accumulate: "f32",
        stores: [{ buffer: c, index: zero, value: accumulator("f32") }],
      }),
      features,
    );
  });

  test(`element types${suffix}`, () => {
    const types: readonly [ComputeType, DTypeName, DTypeName, DTypeName][] = [
      ["f64", "float64", "float64", "float64"],
      ["i32", "int32", "int32", "int32"],
      ["i64", "int64", "int64", "int64"],
      ["i32", "uint8", "int8", "int32"],
      ["i64", "bool", "int16", "int64"],
      ["i32", "uint8", "uint8", "uint8"],
      ["f32", "float16", "bfloat16", "float32"],
      ["f32", "bfloat16", "bfloat16", "bfloat16"],
      ["f32", "float32", "float32", "float16"],
      ["f64", "float32", "float64", "float32"],
    ];
    for (const [accumulate, ...dtypes] of types) {
      const tolerance = dtypes[2] === "float64" ? 1e-14 : 2e-6;
      checkGemm(features, [2, 7, 11, 9], { accumulate, dtypes, tolerance });
      checkGemm(features, [1, 13, 5, 400], { accumulate, dtypes, transB: true, tolerance });
      checkGemm(features, [1, 5, 12, 3], { accumulate, dtypes, transA: true, transC: true, tolerance });
    }
  });

  test(`epilogues are applied once, whatever the number of k blocks${suffix}`, () => {
    for (const sizes of [
      [2, 7, 13, 5],
      [1, 5, 11, 450],
    ] as const) {
      const [batch, m, n] = sizes;
      const epilogues: ((l: Launch, sum: Expr, axes: { B: Axis; M: Axis; N: Axis }) => Expr)[] = [
        (l, sum, { M }) => sum.add(load("f32", l.buffer("float32", m), l.index([M, 1]))),
        (l, sum, { N }) => sum.add(load("f32", l.buffer("float32", 2 * n), l.index([N, 2]))),
        (l, sum, { N }) => sum.add(load("f32", l.buffer("float32", n), l.index([N, 1]))).max(0),
        (l, sum, { B, M, N }) =>
          sum
            .mul(l.param("f32", 0.5))
            .add(load("f32", l.buffer("float32", batch * m * n), l.index([B, m * n], [N, m], [M, 1])).mul(-2)),
        // Not affine, masked, and with a comparison: the scalar path.
        (l, sum, { M, N }) =>
          load("f32", l.buffer("float32", n), N.index.rem(l.param("i32", 3)), M.index.lt(4))
            .fma(2, sum)
            .abs(),
        (_, sum) => sum.gt(0).select(sum, sum.mul(0.25)),
        (_, sum) => sum.mul(0.125).tanh(),
      ];
      for (const epilogue of epilogues) {
        checkGemm(features, sizes, { epilogue });
        checkGemm(features, sizes, { epilogue, transC: true, transB: true });
      }
    }
  });

  test(`several stores${suffix}`, () => {
    const l = new Launch();
    const [M, N, K] = [l.axis("m", 9), l.axis("n", 21), l.axis("k", 6)];
    const a = l.buffer("float32", 54);
    const b = l.buffer("float32", 126);
    const c = l.buffer("float32", 189, "write");
    const d = l.buffer("float32", 189, "write");
    const sum = accumulator("f32");
    l.check(
      l.kernel({
        batch: [],
        m: [M],
        n: [N],
        k: [K],
        a: load("f32", a, l.index([M, 6], [K, 1])),
        b: load("f32", b, l.index([K, 21], [N, 1])),
        accumulate: "f32",
        stores: [
          { buffer: c, index: l.index([M, 21], [N, 1]), value: sum },
          { buffer: d, index: l.index([N, 9], [M, 1]), value: sum.neg() },
        ],
      }),
      features,
    );
  });

  test(`convolutions with padding, stride, dilation and groups, and their gradients${suffix}`, () => {
    const random = new Random(11);
    for (let round = 0; round < 14; round++) {
      const plain = round % 3 === 0;
      checkConvolution(features, {
        batch: random.int(1, 3),
        groups: random.int(1, 2),
        ci: random.int(1, 3),
        co: random.pick([1, 2, 6, 9, 16]),
        size: random.int(5, 13),
        kernel: random.pick([1, 2, 3, 4, 6]),
        stride: plain ? 1 : random.int(1, 2),
        padding: plain ? 0 : random.int(0, 2),
        dilation: plain ? 1 : random.int(1, 2),
      });
    }
  });
}

test("infinities count once in dot products over runs of uneven length", () => {
  const l = new Launch();
  // k is 3 runs of 7: the second vector of each run overlaps the first.
  const [M, N, R, K] = [l.axis("m", 2), l.axis("n", 3), l.axis("run", 3), l.axis("k", 7)];
  const [a, b] = [l.buffer("float32", 42), l.buffer("float32", 72)];
  const c = l.buffer("float32", 6, "write");
  const kernel = l.kernel({
    batch: [],
    m: [M],
    n: [N],
    k: [R, K],
    a: load("f32", a, l.index([M, 21], [R, 7], [K, 1])),
    b: load("f32", b, l.index([N, 24], [R, 8], [K, 1])),
    accumulate: "f32",
    stores: [{ buffer: c, index: l.index([M, 3], [N, 1]), value: accumulator("f32") }],
  });
  for (const features of variants)
    for (const [infinite, finite] of [
      [a, b],
      [b, a],
    ])
      for (const position of [3, 4, 5, 6, 12, 20])
        l.check(kernel, features, 2e-6, (array, buffer) => {
          if (buffer === infinite) array[position] = Number.POSITIVE_INFINITY;
          if (buffer === finite) for (let i = 0; i < array.length; i++) array[i] = 1 + (i % 3);
        });
});

interface Convolution {
  readonly batch: number;
  readonly groups: number;
  readonly ci: number;
  readonly co: number;
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

/** Checks a convolution and its gradients, all as contractions; a group is a batch axis. */
function checkConvolution(features: Features, c: Convolution): void {
  const { batch, groups, ci, co, size, kernel, stride, padding, dilation } = c;
  const out = Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
  if (out < 1) return;
  for (const part of ["forward", "input", "weight"] as const) {
    const l = new Launch();
    const G = l.axis("g", groups);
    const [B, CI, CO] = [l.axis("b", batch), l.axis("ci", ci), l.axis("co", co)];
    const [KH, KW] = [l.axis("kh", kernel), l.axis("kw", kernel)];
    const [OH, OW, IH, IW] = [l.axis("oh", out), l.axis("ow", out), l.axis("ih", size), l.axis("iw", size)];
    const images = { x: batch * groups * ci * size * size, y: batch * groups * co * out * out };
    const weights = groups * co * ci * kernel * kernel;
    const S = l.stride(stride);
    const P = l.stride(padding);
    const D = l.stride(dilation);
    const size32 = l.param("i32", size);
    const out32 = l.param("i32", out);

    const weightIndex = l.index([G, co * ci * kernel * kernel], [CO, ci * kernel * kernel], [CI, kernel * kernel]);
    const w = weightIndex.add(l.index([KH, kernel], [KW, 1]));
    const inputPlane = l.index([B, groups * ci * size * size], [G, ci * size * size], [CI, size * size]);
    const outputPlane = l.index([B, groups * co * out * out], [G, co * out * out], [CO, out * out]);
    const y = outputPlane.add(l.index([OH, out], [OW, 1]));
    // The input pixel under a kernel element.
    const under = (o: Axis, k: Axis): Expr => o.index.mul(S).add(k.index.mul(D)).sub(P);
    const inside = (i: Expr, limit: Expr): Expr => i.ge(0).and(i.lt(limit));
    const pixel = (slot: number): Expr => {
      const [h, v] = [under(OH, KH), under(OW, KW)];
      const mask = padding === 0 ? undefined : inside(h, size32).and(inside(v, size32));
      return load("f32", slot, inputPlane.add(h.mul(size32)).add(v), mask);
    };
    const sum = accumulator("f32");
    if (part === "forward") {
      const [wSlot, xSlot] = [l.buffer("float32", weights), l.buffer("float32", images.x)];
      const bias = l.buffer("float32", groups * co);
      const ySlot = l.buffer("float32", images.y, "write");
      const value = sum.add(load("f32", bias, l.index([G, co], [CO, 1])));
      l.check(
        l.kernel({
          batch: [G],
          m: [CO],
          n: [B, OH, OW],
          k: [CI, KH, KW],
          a: load("f32", wSlot, w),
          b: pixel(xSlot),
          accumulate: "f32",
          stores: [{ buffer: ySlot, index: y, value }],
        }),
        features,
      );
    } else if (part === "weight") {
      const [gSlot, xSlot] = [l.buffer("float32", images.y), l.buffer("float32", images.x)];
      const wSlot = l.buffer("float32", weights, "write");
      l.check(
        l.kernel({
          batch: [G],
          m: [CO],
          n: [CI, KH, KW],
          k: [B, OH, OW],
          a: load("f32", gSlot, y),
          b: pixel(xSlot),
          accumulate: "f32",
          stores: [{ buffer: wSlot, index: w, value: sum }],
        }),
        features,
      );
    } else {
      const [wSlot, gSlot] = [l.buffer("float32", weights), l.buffer("float32", images.y)];
      const xSlot = l.buffer("float32", images.x, "write");
      // The output pixels that an input pixel reached: (i + P − k·D) / S where that is whole and inside.
      const above = (i: Axis, k: Axis): Expr => i.index.add(P).sub(k.index.mul(D));
      const [h, v] = [above(IH, KH), above(IW, KW)];
      const whole = h.rem(S).eq(0).and(v.rem(S).eq(0));
      const mask = inside(h.div(S), out32)
        .and(inside(v.div(S), out32))
        .and(h.ge(0))
        .and(v.ge(0))
        .and(whole);
      l.check(
        l.kernel({
          batch: [G],
          m: [CI],
          n: [B, IH, IW],
          k: [CO, KH, KW],
          a: load("f32", wSlot, w),
          b: load("f32", gSlot, outputPlane.add(h.div(S).mul(out32)).add(v.div(S)), mask),
          accumulate: "f32",
          stores: [{ buffer: xSlot, index: inputPlane.add(l.index([IH, size], [IW, 1])), value: sum }],
        }),
        features,
      );
    }
  }
}
