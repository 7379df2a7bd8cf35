/**
 * `shuffle(words, order, index, count, n)`: `count` steps of the Fisher-Yates shuffle of n int32 elements from `index` on:
 * element i changes places with the one that is word mod (n - i) further on.
 */
import type { ModuleBuilder } from "../assembler.ts";

export function emitShuffle(module: ModuleBuilder): void {
  const f = module.function(["i32", "i32", "i32", "i32", "i32"], [], "shuffle");
  const [words, order, index, count, n] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
  const [here, there, value, left] = [0, 1, 2, 3].map(() => f.local("i32"));
  f.get(order).get(index).i32(2).op("i32.shl").op("i32.add").set(here);
  f.get(n).get(index).op("i32.sub").set(left);
  f.get(count)
    .op("i32.eqz")
    .if(() => f.return());
  f.loop((again) => {
    f.get(here).get(words).memory("i32.load").get(left).op("i32.rem_u").i32(2).op("i32.shl").op("i32.add").set(there);
    f.get(here).memory("i32.load").set(value);
    f.get(here).get(there).memory("i32.load").memory("i32.store");
    f.get(there).get(value).memory("i32.store");
    f.get(here).i32(4).op("i32.add").set(here);
    f.get(words).i32(4).op("i32.add").set(words);
    f.get(left).i32(1).op("i32.sub").set(left);
    f.get(count).i32(1).op("i32.sub").tee(count).br_if(again);
  });
}
