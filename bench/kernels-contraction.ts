/**
 * Speed of single contraction kernels: the layers of LeNet at batch 4 and 64, and square matrices. Prints the best of
 * many short runs. Usage: node bench/kernels-contraction.ts [part of a name]
 */
import { emitContraction } from "../src/backend/wasm/contraction.ts";
import { chooseFeatures } from "../src/backend/wasm/features.ts";
import { Axis, accumulator, constant, type Expr, load, param } from "../src/ir/expr.ts";
import type { ContractionKernel } from "../src/ir/kernel.ts";

const memory = new WebAssembly.Memory({ initial: 1024 });
const SCRATCH = 65536;
const DATA = SCRATCH + (8 << 20);
const BLOCK = 1024;

/** A kernel with its parameters' values. Sizes are parameters, as in the kernels that the ops make. */
interface Case {
  readonly name: string;
  readonly kernel: ContractionKernel;
  readonly params: readonly number[];
  readonly elements: readonly number[];
  readonly flops: number;
}

class CaseBuilder {
  readonly params: number[] = [];
  size(value: number): Expr {
    return param("i32", this.params.push(value) - 1);
  }
  axis(name: string, size: number): Axis {
    return new Axis(name, this.size(size));
  }
  /** Σ axis · stride, where strides 0 and 1 are constants and the others parameters. */
  index(...terms: readonly (readonly [Axis, number])[]): Expr {
    let sum: Expr = constant("i32", 0);
    for (const [axis, stride] of terms)
      sum = sum.add(axis.index.mul(stride <= 1 && stride >= 0 ? constant("i32", stride) : this.size(stride)));
    return sum;
  }
  build(
    name: string,
    groups: Pick<ContractionKernel, "batch" | "m" | "n" | "k">,
    index: { a: Expr; b: Expr; c: Expr; bias?: Expr; mask?: Expr },
    elements: readonly number[],
    flops: number,
  ): Case {
    const sum = accumulator("f32");
    const kernel: ContractionKernel = {
      form: "contraction",
      name,
      ...groups,
      buffers: [
        { dtype: "float32", access: "read" },
        { dtype: "float32", access: "read" },
        { dtype: "float32", access: "write" },
        ...(index.bias ? ([{ dtype: "float32", access: "read" }] as const) : []),
      ],
      params: this.params.map(() => "i32" as const),
      a: load("f32", 0, index.a),
      b: load("f32", 1, index.b, index.mask),
      accumulate: "f32",
      stores: [{ buffer: 2, index: index.c, value: index.bias ? sum.add(load("f32", 3, index.bias)) : sum }],
    };
    return { name, kernel, params: this.params, elements, flops };
  }
}

function gemm(name: string, m: number, n: number, k: number, transA = false, transB = false, bias = false): Case {
  const c = new CaseBuilder();
  const [M, N, K] = [c.axis("m", m), c.axis("n", n), c.axis("k", k)];
  return c.build(
    name,
    { batch: [], m: [M], n: [N], k: [K] },
    {
      a: transA ? c.index([K, m], [M, 1]) : c.index([M, k], [K, 1]),
      b: transB ? c.index([N, k], [K, 1]) : c.index([K, n], [N, 1]),
      c: c.index([M, n], [N, 1]),
      ...(bias ? { bias: c.index([N, 1]) } : {}),
    },
    [m * k, k * n, m * n, n],
    2 * m * n * k,
  );
}

function convForward(name: string, batch: number, ci: number, co: number, size: number, kernel: number): Case {
  const c = new CaseBuilder();
  const out = size - kernel + 1;
  const [B, OH, OW] = [c.axis("b", batch), c.axis("oh", out), c.axis("ow", out)];
  const [CO, CI, KH, KW] = [c.axis("co", co), c.axis("ci", ci), c.axis("kh", kernel), c.axis("kw", kernel)];
  return c.build(
    name,
    { batch: [], m: [CO], n: [B, OH, OW], k: [CI, KH, KW] },
    {
      a: c.index([CO, ci * kernel * kernel], [CI, kernel * kernel], [KH, kernel], [KW, 1]),
      b: c.index([B, ci * size * size], [CI, size * size], [OH, size], [KH, size], [OW, 1], [KW, 1]),
      c: c.index([B, co * out * out], [CO, out * out], [OH, out], [OW, 1]),
      bias: c.index([CO, 1]),
    },
    [co * ci * kernel * kernel, batch * ci * size * size, batch * co * out * out, co],
    2 * batch * co * out * out * ci * kernel * kernel,
  );
}

/** The gradient of the input: with a mask, or from a gradient that is padded by kernel - 1 on all sides. */
function convInput(
  name: string,
  batch: number,
  ci: number,
  co: number,
  size: number,
  kernel: number,
  masked: boolean,
): Case {
  const c = new CaseBuilder();
  const out = size - kernel + 1;
  const padded = masked ? out : size + kernel - 1;
  const [B, IH, IW] = [c.axis("b", batch), c.axis("ih", size), c.axis("iw", size)];
  const [CO, CI, KH, KW] = [c.axis("co", co), c.axis("ci", ci), c.axis("kh", kernel), c.axis("kw", kernel)];
  const flipped = c
    .index([CI, kernel * kernel], [CO, ci * kernel * kernel])
    .add(
      constant("i32", kernel - 1)
        .sub(KH.index)
        .mul(c.size(kernel)),
    )
    .add(constant("i32", kernel - 1).sub(KW.index));
  const plane = c.index([B, co * padded * padded], [CO, padded * padded]);
  let b = plane.add(c.index([IH, padded], [KH, padded], [IW, 1], [KW, 1]));
  let mask: Expr | undefined;
  if (masked) {
    const pad = c.size(kernel - 1);
    const limit = c.size(out);
    const [y, x] = [IH.index.add(KH.index).sub(pad), IW.index.add(KW.index).sub(pad)];
    b = plane.add(y.mul(c.size(padded))).add(x);
    mask = y.ge(0).and(y.lt(limit)).and(x.ge(0)).and(x.lt(limit));
  }
  return c.build(
    name,
    { batch: [], m: [CI], n: [B, IH, IW], k: [CO, KH, KW] },
    {
      a: flipped,
      b,
      ...(mask ? { mask } : {}),
      c: c.index([B, ci * size * size], [CI, size * size], [IH, size], [IW, 1]),
    },
    [co * ci * kernel * kernel, batch * co * padded * padded, batch * ci * size * size],
    2 * batch * ci * size * size * co * kernel * kernel,
  );
}

function convWeight(name: string, batch: number, ci: number, co: number, size: number, kernel: number): Case {
  const c = new CaseBuilder();
  const out = size - kernel + 1;
  const [B, OH, OW] = [c.axis("b", batch), c.axis("oh", out), c.axis("ow", out)];
  const [CO, CI, KH, KW] = [c.axis("co", co), c.axis("ci", ci), c.axis("kh", kernel), c.axis("kw", kernel)];
  return c.build(
    name,
    { batch: [], m: [CO], n: [CI, KH, KW], k: [B, OH, OW] },
    {
      a: c.index([B, co * out * out], [CO, out * out], [OH, out], [OW, 1]),
      b: c.index([B, ci * size * size], [CI, size * size], [OH, size], [KH, size], [OW, 1], [KW, 1]),
      c: c.index([CO, ci * kernel * kernel], [CI, kernel * kernel], [KH, kernel], [KW, 1]),
    },
    [batch * co * out * out, batch * ci * size * size, co * ci * kernel * kernel],
    2 * batch * co * out * out * ci * kernel * kernel,
  );
}

function cases(): Case[] {
  const list: Case[] = [];
  for (const batch of [4, 64]) {
    const tag = `batch ${batch}`;
    list.push(convForward(`conv 1→6 forward, ${tag}`, batch, 1, 6, 32, 5));
    list.push(convForward(`conv 6→16 forward, ${tag}`, batch, 6, 16, 14, 5));
    list.push(convInput(`conv 6→16 input gradient, masked, ${tag}`, batch, 6, 16, 14, 5, true));
    list.push(convInput(`conv 6→16 input gradient, padded, ${tag}`, batch, 6, 16, 14, 5, false));
    list.push(convWeight(`conv 6→16 weight gradient, ${tag}`, batch, 6, 16, 14, 5));
    list.push(convWeight(`conv 1→6 weight gradient, ${tag}`, batch, 1, 6, 32, 5));
    for (const [i, o] of [
      [400, 120],
      [120, 84],
      [84, 10],
    ] as const) {
      list.push(gemm(`linear ${i}→${o} forward, ${tag}`, batch, o, i, false, true, true));
      list.push(gemm(`linear ${i}→${o} input gradient, ${tag}`, batch, i, o));
      list.push(gemm(`linear ${i}→${o} weight gradient, ${tag}`, o, i, batch, true));
    }
  }
  for (const s of [64, 128, 256, 512, 1024]) list.push(gemm(`square ${s}`, s, s, s));
  for (const s of [256, 512]) list.push(gemm(`square ${s}, B transposed`, s, s, s, false, true));
  for (const s of [256, 512]) list.push(gemm(`square ${s}, A transposed`, s, s, s, true));
  return list;
}

const filter = process.argv[2] ?? "";
const view = new DataView(memory.buffer);
const floats = new Float32Array(memory.buffer);
for (let i = DATA / 4; i < floats.length; i++) floats[i] = Math.sin(i * 0.37) * 0.5;
for (const { name, kernel, params, elements, flops } of cases()) {
  if (!name.includes(filter)) continue;
  const { bytes, units } = emitContraction(kernel, chooseFeatures());
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: { memory, scratch: () => SCRATCH },
  }).exports as { run: (block: number, begin: number, end: number) => void };
  let address = DATA;
  for (const [i] of kernel.buffers.entries()) {
    view.setInt32(BLOCK + 8 * i, address, true);
    address += (4 * elements[i] + 64) & ~63;
  }
  for (const [i, value] of params.entries()) view.setInt32(BLOCK + 8 * (kernel.buffers.length + i), value, true);
  const count = units((slot) => view.getInt32(BLOCK + 8 * slot, true));
  let best = Number.POSITIVE_INFINITY;
  const started = performance.now();
  // Repeat small kernels within one measurement: the clock ticks in microseconds.
  const repeat = Math.max(1, Math.round(2e6 / flops));
  for (let round = 0; round < 30 || performance.now() - started < 150; round++) {
    const t0 = performance.now();
    for (let i = 0; i < repeat; i++) run(BLOCK, 0, count);
    best = Math.min(best, (performance.now() - t0) / repeat);
    if (performance.now() - started > 1000) break;
  }
  console.log(
    `${name.padEnd(44)} ${(1e3 * best).toFixed(1).padStart(9)} µs ${(flops / best / 1e6).toFixed(1).padStart(6)} GFLOP/s`,
  );
}
