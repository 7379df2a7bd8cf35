/**
 * `boxMuller(data, end, mean, std)`: groups of 16 uniforms become 16 normals in place. The operations and their order are
 * those of `boxMuller32` in random/normal.ts, which explains them; where that rounds once, there is a fused operation here.
 */
import type { ModuleBuilder } from "../assembler.ts";
import { type Pair, PairWriter } from "./vectors.ts";

const { fround } = Math;

const LOG = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
];
const SIN = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1];
const COS = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2];

export function emitBoxMuller(module: ModuleBuilder): void {
  const f = module.function(["i32", "i32", "f32", "f32"], [], "boxMuller");
  const [data, end] = [f.parameter(0), f.parameter(1)];
  const v = new PairWriter(f);
  const mean = v.splat("f32x4.splat", f.parameter(2));
  const std = v.splat("f32x4.splat", f.parameter(3));
  const [log, sin, cos] = [LOG, SIN, COS].map((list) => list.map((x) => v.f32(x)));
  const zero = v.f32(0);
  const half = v.f32(0.5);
  const one = v.f32(1);
  const minusTwo = v.f32(-2);
  const lowestMantissaBits = v.i32(0x7fffff);
  const sqrtHalf = v.f32(11863283 * 2 ** -24);
  const bias = v.i32(126);
  const ln2Low = v.f32(-2.1219444e-4);
  const ln2High = v.f32(0.693359375);
  const twoPi = v.f32(2 * Math.PI);
  const fourOverPi = v.f32(fround(4 / Math.PI));
  const minusPi4 = [-0.78515625, -2.4187564849853516e-4, -3.774894977445941e-8].map((x) => v.f32(x));
  const [i1, i2, i4, evenBits] = [1, 2, 4, ~1].map((x) => v.i32(x));

  const logarithm = (u: Pair): Pair => {
    const x0 = v.op("f32x4.sub", one, u);
    const mantissa = v.op("v128.or", v.op("v128.and", x0, lowestMantissaBits), half);
    const small = v.op("f32x4.lt", mantissa, sqrtHalf);
    // A mask is minus one: it lowers the exponent of small mantissas.
    const exponent = v.op("i32x4.add", v.op("i32x4.sub", v.shift("i32x4.shr_u", x0, 23), bias), small);
    const e = v.op("f32x4.convert_i32x4_s", exponent);
    const x = v.op("f32x4.add", v.op("f32x4.sub", mantissa, one), v.op("v128.and", mantissa, small));
    const z = v.op("f32x4.mul", x, x);
    let y = log[0];
    for (const c of log.slice(1)) y = v.madd(y, x, c);
    y = v.op("f32x4.mul", y, x);
    y = v.madd(y, z, v.op("f32x4.mul", e, ln2Low));
    y = v.op("f32x4.sub", y, v.op("f32x4.mul", z, half));
    return v.madd(e, ln2High, v.op("f32x4.add", x, y));
  };

  f.loop((again) => {
    const u1 = v.load(data);
    const u2 = v.load(data, 32);
    const radius = v.op("f32x4.sqrt", v.op("f32x4.mul", minusTwo, logarithm(u1)));

    const theta = v.op("f32x4.mul", twoPi, u2);
    const eighths = v.op("i32x4.relaxed_trunc_f32x4_s", v.op("f32x4.mul", theta, fourOverPi));
    const k = v.op("v128.and", v.op("i32x4.add", eighths, i1), evenBits);
    const kf = v.op("f32x4.convert_i32x4_s", k);
    let x = theta;
    for (const part of minusPi4) x = v.madd(kf, part, x);
    const z = v.op("f32x4.mul", x, x);
    let c = v.madd(v.madd(cos[0], z, cos[1]), z, cos[2]);
    c = v.op("f32x4.mul", c, z);
    c = v.madd(c, z, v.op("f32x4.sub", zero, v.op("f32x4.mul", z, half)));
    c = v.op("f32x4.add", c, one);
    let s = v.madd(v.madd(sin[0], z, sin[1]), z, sin[2]);
    s = v.op("f32x4.mul", s, z);
    s = v.madd(s, x, x);
    const swap = v.op("i32x4.eq", v.op("v128.and", k, i2), i2);
    const sign = (bits: Pair): Pair => v.shift("i32x4.shl", v.op("v128.and", bits, i4), 29);
    const sine = v.op("v128.xor", v.select(swap, c, s), sign(k));
    const cosine = v.op("v128.xor", v.select(swap, s, c), sign(v.op("i32x4.add", k, i2)));
    const first = v.madd(v.op("f32x4.mul", radius, cosine), std, mean);
    const second = v.madd(v.op("f32x4.mul", radius, sine), std, mean);
    v.store(data, second, 32);
    v.store(data, first);
    f.get(data).i32(64).op("i32.add").tee(data).get(end).op("i32.ne").br_if(again);
  });
}
