/**
 * V8's revectorizer makes one 256-bit AVX instruction of two neighbouring 128-bit ones. It is behind a flag, which may be
 * set while the program runs, before a module is compiled. Since it is experimental, the innermost functions of contractions
 * are tried first: they must give the right sums, and clearly faster than those of 128-bit instructions.
 */
import { ModuleBuilder } from "./assembler.ts";
import { type Lanes, lanesOf, TILE_GROUPS, TILE_ROWS } from "./contraction-lanes.ts";
import { emitTiles } from "./contraction-microkernel.ts";
import { emitPackGroup, emitPackPanel } from "./contraction-pack.ts";
import { emitDotBlock, emitThinPanels } from "./contraction-thin.ts";

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
  const narrow = trial(false);
  v8.setFlagsFromString("--experimental-wasm-revectorize");
  const wide = trial(true);
  v8.setFlagsFromString("--liftoff");
  if (wide.correct && isFaster(wide, narrow)) return true;
  v8.setFlagsFromString("--no-experimental-wasm-revectorize");
  return false;
}

interface Trial {
  readonly correct: boolean;
  /** Columns of a tile. */
  readonly columns: number;
  /** Computes tiles. */
  readonly tiles: () => void;
}

const ROUNDS = 20;
const MOST_ROUNDS = 200;

/** Whether a column takes clearly less time: in turn, since other programs and the processor's clock disturb both. */
function isFaster(wide: Trial, narrow: Trial): boolean {
  const time = ({ tiles, columns }: Trial): number => {
    const start = performance.now();
    tiles();
    return (performance.now() - start) / columns;
  };
  let [wideTime, narrowTime] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 1; round <= MOST_ROUNDS; round++) {
    narrowTime = Math.min(narrowTime, time(narrow));
    wideTime = Math.min(wideTime, time(wide));
    if (round % ROUNDS === 0 && wideTime < 0.8 * narrowTime) return true;
  }
  return false;
}

const DEPTH = 256;
/** How often a tile is computed in one call, so that the time of the call does not count. */
const REPEATS = 24;
const DOT_ROWS = 4;
const DOT_COLUMNS = 2;

/** Byte addresses of the trial's data, and of its results. */
interface Layout {
  readonly a: number;
  readonly b: number;
  readonly panel: number;
  /** Addresses of the panel's columns, of A's rows, and the offsets of k in B and in A. */
  readonly columns: number;
  readonly rows: number;
  readonly depth: number;
  readonly aDepth: number;
  readonly scratch: number;
  readonly tile: number;
  readonly thin: number;
  readonly dot: number;
}

/** Exports `tiles` (a tile of packed operands) and, for 256-bit vectors, `others` (packing, few rows, dot products). */
function trialModule(lanes: Lanes, at: Layout): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", {});
  const tiles = emitTiles(module, lanes, TILE_ROWS, "step", "step", null);
  const run = module.function([], [], "tiles");
  run
    .i32(at.a)
    .i32(4 * TILE_ROWS)
    .i32(0);
  run.i32(at.panel).i32(lanes.rowBytes);
  run.i32(DEPTH).i32(REPEATS).i32(at.tile).i32(0).call(tiles);
  const columns = TILE_GROUPS * lanes.groupColumns;
  const others = module.function([], [], "others");
  const pack = emitPackPanel(module, lanes, emitPackGroup(module, lanes));
  others.i32(at.columns).i32(at.depth).i32(0).i32(DEPTH).i32(at.panel).i32(columns).call(pack);
  if (lanes.groupVectors === 2) {
    const thin = emitThinPanels(module, lanes);
    others.i32(at.rows).i32(at.aDepth).i32(at.b).i32(lanes.rowBytes).i32(DEPTH).i32(1).i32(at.thin).i32(1).i32(0);
    others.call(thin);
    // A and B as they lie have runs of DEPTH elements too.
    const dot = emitDotBlock(module, lanes, DOT_ROWS, DOT_COLUMNS);
    others.i32(at.rows + 4 * TILE_ROWS).i32(at.columns + 4 * columns);
    others.i32(DOT_COLUMNS).i32(DEPTH).i32(at.dot).i32(at.scratch).call(dot);
  }
  return module.bytes();
}

function trial(wide: boolean): Trial {
  const lanes = lanesOf("f32", { simd: true, relaxed: true, wide });
  const columns = TILE_GROUPS * lanes.groupColumns;
  const memory = new WebAssembly.Memory({ initial: 2 });
  let end = 0;
  const reserve = (words: number): number => {
    const address = end;
    end += 4 * words;
    return address;
  };
  const at: Layout = {
    a: reserve(TILE_ROWS * DEPTH),
    b: reserve(columns * DEPTH),
    panel: reserve(columns * DEPTH),
    columns: reserve(columns + DOT_COLUMNS),
    rows: reserve(TILE_ROWS + DOT_ROWS),
    depth: reserve(DEPTH),
    aDepth: reserve(DEPTH),
    scratch: reserve(64),
    tile: reserve(REPEATS * TILE_ROWS * columns),
    thin: reserve(columns),
    dot: reserve(DOT_ROWS * columns),
  };
  const values = new Float32Array(memory.buffer);
  const tables = new Int32Array(memory.buffer);
  const [a, b] = [at.a / 4, at.b / 4];
  // Small whole numbers: every sum is exact, in whatever order.
  for (let i = a; i < at.panel / 4; i++) values[i] = ((i * 7) % 11) - 5;
  for (let c = 0; c < columns; c++) tables[at.columns / 4 + c] = at.b + 4 * c;
  for (let c = 0; c < DOT_COLUMNS; c++) tables[at.columns / 4 + columns + c] = at.b + 4 * DEPTH * c;
  tables[at.rows / 4] = at.a;
  for (let r = 0; r < DOT_ROWS; r++) tables[at.rows / 4 + TILE_ROWS + r] = at.a + 4 * DEPTH * r;
  for (let k = 0; k < DEPTH; k++) {
    tables[at.depth / 4 + k] = lanes.rowBytes * k;
    tables[at.aDepth / 4 + k] = 4 * TILE_ROWS * k;
  }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(trialModule(lanes, at)), { env: { memory } });
  const { tiles, others } = instance.exports as { tiles: () => void; others: () => void };
  others();
  // Compiled now, with the flags of now.
  tiles();
  const sum = (product: (k: number) => number): number => {
    let total = 0;
    for (let k = 0; k < DEPTH; k++) total += product(k);
    return total;
  };
  let correct = true;
  const expect = (address: number, product: (k: number) => number) => {
    if (values[address / 4] !== sum(product)) correct = false;
  };
  for (let r = 0; r < TILE_ROWS; r++)
    for (let c = 0; c < columns; c++)
      expect(at.tile + lanes.rowBytes * r + 4 * c, (k) => values[a + TILE_ROWS * k + r] * values[b + columns * k + c]);
  if (wide) {
    for (let c = 0; c < columns; c++)
      expect(at.thin + 4 * c, (k) => values[a + TILE_ROWS * k] * values[b + columns * k + c]);
    for (let r = 0; r < DOT_ROWS; r++)
      for (let c = 0; c < DOT_COLUMNS; c++)
        expect(at.dot + lanes.rowBytes * r + 4 * c, (k) => values[a + DEPTH * r + k] * values[b + DEPTH * c + k]);
  }
  return { correct, columns, tiles };
}
