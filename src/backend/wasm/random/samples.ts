/**
 * From random words to samples, eight at a time. The functions take the address of the words, that of the samples, and
 * how many samples to make, a multiple of eight.
 */
import type { FunctionBuilder, Local, ModuleBuilder, ValueType } from "../assembler.ts";
import { type Pair, PairWriter } from "./vectors.ts";

function emitSamples(
  module: ModuleBuilder,
  name: string,
  bytes: { readonly words: number; readonly out: number },
  params: readonly ValueType[],
  /** Code before the loop; returns the code of the loop's body. */
  prepare: (v: PairWriter, params: readonly Local[]) => (words: Local, out: Local) => void,
): void {
  const f: FunctionBuilder = module.function(["i32", "i32", "i32", ...params], [], name);
  const [words, out, count] = [0, 1, 2].map((i) => f.parameter(i));
  const v = new PairWriter(f);
  const body = prepare(
    v,
    params.map((_, i) => f.parameter(3 + i)),
  );
  f.get(count)
    .op("i32.eqz")
    .if(() => f.return());
  f.loop((again) => {
    body(words, out);
    f.get(words).i32(bytes.words).op("i32.add").set(words);
    f.get(out).i32(bytes.out).op("i32.add").set(out);
    f.get(count).i32(8).op("i32.sub").tee(count).br_if(again);
  });
}

/** `uniform24(words, out, count, low, span, high)`: float32 samples low + span · u, `low` where they round to `high`. */
export function emitUniform24(module: ModuleBuilder): void {
  emitSamples(module, "uniform24", { words: 32, out: 32 }, ["f32", "f32", "f32"], (v, params) => {
    const [low, span, high] = params.map((p) => v.splat("f32x4.splat", p));
    const mask = v.i32(0xffffff);
    const scale = v.f32(2 ** -24);
    return (words, out) => {
      const bits = v.op("v128.and", v.load(words), mask);
      const u = v.op("f32x4.mul", v.op("f32x4.convert_i32x4_s", bits), scale);
      const sample = v.madd(u, span, low);
      v.store(out, v.select(v.op("f32x4.eq", sample, high), low, sample));
    };
  });
}

/** `uniform53(words, out, count)`: float64 samples of 53 random bits; of two words the first has the high bits. */
export function emitUniform53(module: ModuleBuilder): void {
  emitSamples(module, "uniform53", { words: 64, out: 64 }, [], (v) => {
    // Whole numbers become floating-point ones as the low bits of 2^84 (in units of 2^32) and of 2^52.
    const exponentHigh = v.f64(2 ** 84);
    const exponentLow = v.f64(2 ** 52);
    const both = v.f64(2 ** 84 + 2 ** 52);
    const scale = v.f64(2 ** -53);
    return (words, out) => {
      const samples = [0, 32].map((offset) => {
        const x = v.load(words, offset);
        const high = v.shift("i64x2.shr_u", v.shift("i64x2.shl", x, 43), 43);
        const low = v.shift("i64x2.shr_u", x, 32);
        const a = v.op("f64x2.sub", v.op("v128.or", high, exponentHigh), both);
        return v.op("f64x2.mul", v.op("f64x2.add", a, v.op("v128.or", low, exponentLow)), scale);
      });
      v.store(out, samples[1], 32);
      v.store(out, samples[0]);
    };
  });
}

const EVEN_LANES = [0, 8, 16, 24].flatMap((b) => [b, b + 1, b + 2, b + 3]);

/** `bernoulli(words, out, count, threshold, value)`: `value` where the 53 bits are less than `threshold`, else 0. */
export function emitBernoulli(module: ModuleBuilder): void {
  emitSamples(module, "bernoulli", { words: 64, out: 32 }, ["i64", "f32"], (v, params) => {
    const threshold = v.splat("i64x2.splat", params[0]);
    const value = v.splat("f32x4.splat", params[1]);
    const less = (words: Local, offset: number): Pair => {
      const x = v.load(words, offset);
      const bits = v.op(
        "v128.or",
        v.shift("i64x2.shr_u", v.shift("i64x2.shl", x, 43), 11),
        v.shift("i64x2.shr_u", x, 32),
      );
      return v.op("i64x2.lt_s", bits, threshold);
    };
    const { f } = v;
    const sample = f.local("v128");
    return (words, out) => {
      for (const [half, offset] of [0, 32].entries()) {
        const [a, b] = less(words, offset);
        f.get(a).get(b).shuffle(EVEN_LANES).get(value[0]).op("v128.and").set(sample);
        f.get(out)
          .get(sample)
          .memory("v128.store", 16 * half, 2);
      }
    };
  });
}

/** `remainders(words, out, count, span, base)`: int64 samples base + word mod span, for span < 2^28, |base| < 2^50. */
export function emitRemainders(module: ModuleBuilder): void {
  emitSamples(module, "remainders", { words: 32, out: 64 }, ["f64", "f64"], (v, params) => {
    const { f } = v;
    const [span, base] = params.map((p) => v.splat("f64x2.splat", p));
    const inverse = f.local("f64");
    f.f64(1).get(params[0]).op("f64.div").set(inverse);
    const reciprocal = v.splat("f64x2.splat", inverse);
    const half = v.f64(0.5);
    const exponent = v.f64(2 ** 52);
    // Added to a number of less than 2^51 it rounds to the nearest whole one, which is then in the low bits.
    const round = v.f64(3 * 2 ** 51);
    return (words, out) => {
      const samples = [0, 16].map((offset) => {
        const bits = v.load(words, offset, "v128.load32x2_u", 8);
        const w = v.op("f64x2.sub", v.op("v128.or", bits, exponent), exponent);
        // (w + ½) / span − ½ is at least ½ / span off the middle between two whole numbers, which is far more than its
        // rounding errors: what is nearest to it is the quotient.
        const x = v.op("f64x2.sub", v.op("f64x2.mul", v.op("f64x2.add", w, half), reciprocal), half);
        const quotient = v.op("f64x2.sub", v.op("f64x2.add", x, round), round);
        const remainder = v.op("f64x2.sub", w, v.op("f64x2.mul", quotient, span));
        const shifted = v.op("f64x2.add", v.op("f64x2.add", remainder, base), round);
        return v.op("i64x2.sub", shifted, round);
      });
      v.store(out, samples[1], 32);
      v.store(out, samples[0]);
    };
  });
}
