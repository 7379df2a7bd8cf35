/**
 * V8's revectorizer makes one 256-bit AVX instruction of two neighbouring 128-bit ones. It is behind a flag, which may be
 * set while the program runs, before a module is compiled. Since it is experimental, a generated kernel is tried first:
 * it must give the right sums, and clearly faster than the same kernel of 128-bit instructions.
 */
import { ModuleBuilder } from "./assembler.ts";

interface V8 {
  setFlagsFromString(flags: string): void;
}

interface Process {
  readonly versions?: { readonly v8?: string };
  getBuiltinModule?(name: string): unknown;
}

/** The first V8 in which the flag has an effect: that of Node 24. */
const FIRST_V8 = 13;

/** Turns revectorization on where the engine has it and it proves itself; says whether it is on. */
export function enableRevectorization(): boolean {
  const { process } = globalThis as { process?: Process };
  if (!(Number.parseInt(process?.versions?.v8 ?? "", 10) >= FIRST_V8)) return false;
  const v8 = process?.getBuiltinModule?.("node:v8") as V8 | undefined;
  if (v8 === undefined) return false;
  // The optimizing compiler from the first call on: the trial needs no warming up.
  v8.setFlagsFromString("--no-liftoff");
  const narrow = trial(0);
  v8.setFlagsFromString("--experimental-wasm-revectorize");
  const wide = trial(1);
  v8.setFlagsFromString("--liftoff");
  if (wide.correct && wide.time < 0.75 * narrow.time) return true;
  v8.setFlagsFromString("--no-experimental-wasm-revectorize");
  return false;
}

const ROWS = 6;
const COLUMNS = 16;
const DEPTH = 256;

/** The micro-kernel of a 6 × 16 tile over packed panels. `tag` makes the bytes differ, since V8 shares equal modules. */
function tileModule(tag: number): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", {});
  const f = module.function(["i32", "i32", "i32", "i32"], ["i32"], "run");
  const [a, b, end, tile] = [0, 1, 2, 3].map((i) => f.parameter(i));
  const vectors = COLUMNS / 4;
  const sums = Array.from({ length: ROWS }, () => Array.from({ length: vectors }, () => f.local("v128")));
  const x = Array.from({ length: vectors }, () => f.local("v128"));
  const splat = f.local("v128");
  f.loop((again) => {
    for (const [v, vector] of x.entries())
      f.get(b)
        .memory("v128.load", 16 * v)
        .set(vector);
    for (const [r, row] of sums.entries()) {
      f.get(a)
        .memory("v128.load32_splat", 4 * r)
        .set(splat);
      for (const [v, sum] of row.entries()) f.get(splat).get(x[v]).get(sum).op("f32x4.relaxed_madd").set(sum);
    }
    f.get(a)
      .i32(4 * ROWS)
      .op("i32.add")
      .set(a);
    f.get(b)
      .i32(4 * COLUMNS)
      .op("i32.add")
      .tee(b)
      .get(end)
      .op("i32.ne")
      .br_if(again);
  });
  for (const [r, row] of sums.entries())
    for (const v of [1, 0, 3, 2])
      f.get(tile)
        .get(row[v])
        .memory("v128.store", 4 * COLUMNS * r + 16 * v);
  f.i32(tag);
  return module.bytes();
}

function trial(tag: number): { readonly correct: boolean; readonly time: number } {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const values = new Float32Array(memory.buffer);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(tileModule(tag)), { env: { memory } });
  const run = instance.exports.run as (a: number, b: number, end: number, tile: number) => number;
  const [a, b, tile] = [0, ROWS * DEPTH, (ROWS + COLUMNS) * DEPTH];
  // Small whole numbers: every sum is exact, in whatever order.
  for (let i = 0; i < tile; i++) values[i] = ((i * 7) % 11) - 5;
  let time = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 20; round++) {
    const start = performance.now();
    for (let i = 0; i < 20; i++) run(4 * a, 4 * b, 4 * tile, 4 * tile);
    time = Math.min(time, performance.now() - start);
  }
  let correct = true;
  for (let r = 0; r < ROWS; r++) {
    for (let c = 0; c < COLUMNS; c++) {
      let sum = 0;
      for (let k = 0; k < DEPTH; k++) sum += values[a + k * ROWS + r] * values[b + k * COLUMNS + c];
      if (values[tile + r * COLUMNS + c] !== sum) correct = false;
    }
  }
  return { correct, time };
}
