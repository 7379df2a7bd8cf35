/**
 * The transform of filters, G g Gᵀ, packed for the products. A work unit is a block of outputs, which are the lanes of vectors: of
 * four, the last of which repeat outputs of those before where the block has five or six.
 */
import type { WinogradFilterKernel } from "../../../ir/kernel.ts";
import { FILTER_BLOCK, filterBlocks, filterTransform, sandwich, winogradFilterParams } from "../../../ir/winograd.ts";
import { type FunctionBuilder, type Local, type MemoryLimits, ModuleBuilder } from "../assembler.ts";
import { VectorArithmetic } from "./unit.ts";

/** Factors in G. */
const FACTORS = { 2: [1 / 2], 4: [1 / 24, 1 / 6, 1 / 12, 1 / 4, -1 / 6] } as const;
const LANES = 4;

type ReadSlot = (slot: number) => number;

export interface EmittedFilters {
  /** A module that exports `run(block, begin, end)` and imports `env.memory`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly units: (read: ReadSlot) => number;
}

export function emitFilters(kernel: WinogradFilterKernel, memory: MemoryLimits = {}): EmittedFilters {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", memory);
  const f = module.function(["i32", "i32", "i32"], [], "run");
  const blocks = Array.from({ length: FILTER_BLOCK }, (_, i) => emitBlock(module, kernel, i + 1));
  const [block, unit, end] = [0, 1, 2].map((i) => f.parameter(i));
  const i32 = () => f.local("i32");
  const [outputs, full, first, left, rows] = [i32(), i32(), i32(), i32(), i32()];
  const slot = (name: (typeof winogradFilterParams)[number]): number =>
    8 * (kernel.buffers.length + winogradFilterParams.indexOf(name));
  f.get(block).memory("i32.load", slot("outputs")).set(outputs);
  // As filterBlocks.
  f.get(outputs).i32(FILTER_BLOCK).op("i32.div_u");
  f.get(outputs).i32(4).op("i32.sub").i32(FILTER_BLOCK).op("i32.div_s");
  f.get(outputs).i32(FILTER_BLOCK).op("i32.rem_u").op("i32.eqz").select().set(full);
  f.block((done) => {
    f.loop((again) => {
      f.get(unit).get(end).op("i32.ge_s").br_if(done);
      f.get(unit).get(full).op("i32.lt_s");
      f.if(
        () => {
          f.get(unit).i32(FILTER_BLOCK).op("i32.mul").set(first);
          f.i32(FILTER_BLOCK).set(rows);
        },
        () => {
          // One block of up to five, or two halves, the larger first.
          f.get(full).i32(FILTER_BLOCK).op("i32.mul").set(first);
          f.get(outputs).get(first).op("i32.sub").tee(left).set(rows);
          f.get(left).i32(FILTER_BLOCK).op("i32.ge_s");
          f.if(() => {
            f.get(left).i32(1).op("i32.add").i32(1).op("i32.shr_u").set(rows);
            f.get(unit).get(full).op("i32.ne");
            f.if(() => {
              f.get(first).get(rows).op("i32.add").set(first);
              f.get(left).get(rows).op("i32.sub").set(rows);
            });
          });
        },
      );
      f.block((chosen) => {
        for (let r = 1; r <= FILTER_BLOCK; r++) {
          f.get(rows).i32(r).op("i32.eq");
          f.if(() =>
            f
              .get(block)
              .get(first)
              .call(blocks[r - 1] as FunctionBuilder)
              .br(chosen),
          );
        }
      });
      f.get(unit).i32(1).op("i32.add").set(unit).br(again);
    });
  });
  return {
    bytes: module.bytes(),
    units: (read) => {
      const { full: whole, rest } = filterBlocks(read(kernel.buffers.length + winogradFilterParams.indexOf("outputs")));
      return whole + rest.length;
    },
  };
}

/** A function (block, first): the filters of `rows` outputs from `first` on. */
function emitBlock(module: ModuleBuilder, kernel: WinogradFilterKernel, rows: number): FunctionBuilder {
  const f = module.function(["i32", "i32"], []);
  const [block, first] = [f.parameter(0), f.parameter(1)];
  const { tile } = kernel;
  const i32 = () => f.local("i32");
  const vectors = new VectorArithmetic(f, FACTORS[tile]);
  /** A local with a parameter, in bytes where it is a stride. */
  const param = (name: (typeof winogradFilterParams)[number]): Local => {
    const local = i32();
    f.get(block).memory("i32.load", 8 * (kernel.buffers.length + winogradFilterParams.indexOf(name)));
    if (name.endsWith("Stride")) f.i32(2).op("i32.shl");
    f.set(local);
    return local;
  };
  const channels = param("channels");
  const outputStep = param("outputStride");
  const channelStep = param("channelStride");
  const rowStep = param("rowStride");
  const columnStep = param("columnStride");
  const pointStep = param("filterStride");
  const [channel, target, at] = [i32(), i32(), i32()];
  const sources = Array.from({ length: rows }, i32);
  const taps = Array.from({ length: 9 }, (_, tap) => {
    const local = i32();
    f.get(rowStep)
      .i32(Math.floor(tap / 3))
      .op("i32.mul");
    f.get(columnStep)
      .i32(tap % 3)
      .op("i32.mul")
      .op("i32.add")
      .set(local);
    return local;
  });
  for (const [r, source] of sources.entries()) {
    f.get(first).i32(r).op("i32.add").get(outputStep).op("i32.mul");
    f.get(block).memory("i32.load").op("i32.add").set(source);
  }
  f.get(block).memory("i32.load", 8).get(first).get(channels).op("i32.mul").i32(2).op("i32.shl");
  f.op("i32.add").set(target);
  const starts = rows <= LANES ? [0] : [0, rows - LANES];
  f.loop((again) => {
    for (const start of starts) {
      const g = taps.map((tap) => {
        const vector = f.local("v128");
        for (let lane = 0; lane < LANES; lane++) {
          f.get(sources[Math.min(rows - 1, start + lane)] as Local)
            .get(tap)
            .op("i32.add");
          if (lane === 0) f.memory("v128.load32_zero");
          else f.get(vector).memoryLane("v128.load32_lane", lane);
          f.set(vector);
        }
        return vector;
      });
      const square = [0, 3, 6].map((row) => g.slice(row, row + 3));
      const values = sandwich((column) => filterTransform(tile, column, vectors), square).flat();
      f.get(target).set(at);
      for (const value of values) {
        if (rows >= LANES)
          f.get(at)
            .get(value)
            .memory("v128.store", 4 * start, 2);
        else
          for (let lane = 0; lane < rows; lane++)
            f.get(at)
              .get(value)
              .memoryLane("v128.store32_lane", lane, 4 * lane);
        f.get(at).get(pointStep).op("i32.add").set(at);
      }
      f.release(...g);
    }
    for (const source of sources) f.get(source).get(channelStep).op("i32.add").set(source);
    f.get(target)
      .i32(4 * rows)
      .op("i32.add")
      .set(target);
    f.get(channel).i32(1).op("i32.add").tee(channel).get(channels).op("i32.lt_s").br_if(again);
  });
  return f;
}
