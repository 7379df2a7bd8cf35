/**
 * The Mersenne Twister's recurrence, eight words at a time. In one row of words it is
 * x[k + 624] = x[k + 397] ^ twist(x[k], x[k + 1]), so a block is made behind its predecessor and needs no wrapping around.
 */
import { BLOCK_WORDS } from "../../../random/mt19937.ts";
import type { ModuleBuilder } from "../assembler.ts";
import { PairWriter } from "./vectors.ts";

const FAR = 397;
/** Loads of whole vectors may read this many words beyond a block. */
export const SPARE_WORDS = 16;
/** A row: the last block and the present one. */
export const ROW_WORDS: number = 2 * BLOCK_WORDS + SPARE_WORDS;

/** `twist(state, tempered)`: both rows move on by one block. They are at multiples of 16 bytes. */
export function emitTwist(module: ModuleBuilder): void {
  const f = module.function(["i32", "i32"], [], "twist");
  const [state, tempered] = [f.parameter(0), f.parameter(1)];
  for (const row of [state, tempered]) {
    f.get(row)
      .get(row)
      .i32(4 * BLOCK_WORDS)
      .op("i32.add")
      .i32(4 * BLOCK_WORDS)
      .memory_copy();
  }
  const v = new PairWriter(f);
  const upper = v.i32(0x80000000 | 0);
  const one = v.i32(1);
  const matrix = v.i32(0x9908b0df | 0);
  const maskB = v.i32(0x9d2c5680 | 0);
  const maskC = v.i32(0xefc60000 | 0);
  const end = f.local("i32");
  f.get(state)
    .i32(4 * BLOCK_WORDS)
    .op("i32.add")
    .set(end);
  f.loop((again) => {
    const p = v.load(state);
    const q = v.load(state, 4);
    const far = v.load(state, 4 * FAR);
    const mixed = v.shift("i32x4.shr_u", v.select(upper, p, q), 1);
    // All bits where q is odd: minus its lowest bit.
    const odd = v.op("i32x4.eq", v.op("v128.and", q, one), one);
    const word = v.op("v128.xor", v.op("v128.xor", far, mixed), v.op("v128.and", odd, matrix));
    let y = v.op("v128.xor", word, v.shift("i32x4.shr_u", word, 11));
    y = v.op("v128.xor", y, v.op("v128.and", v.shift("i32x4.shl", y, 7), maskB));
    y = v.op("v128.xor", y, v.op("v128.and", v.shift("i32x4.shl", y, 15), maskC));
    y = v.op("v128.xor", y, v.shift("i32x4.shr_u", y, 18));
    v.store(state, word, 4 * BLOCK_WORDS);
    v.store(tempered, y, 4 * BLOCK_WORDS);
    f.get(tempered).i32(32).op("i32.add").set(tempered);
    f.get(state).i32(32).op("i32.add").tee(state).get(end).op("i32.ne").br_if(again);
  });
}
