/**
 * Code for Winograd kernels. A work unit is a run of tiles, few enough for its data to stay in the second-level cache: its input is
 * transformed to packed panels of tiles (input.ts), multiplied by the filters for each point (products.ts), and the
 * products are transformed to outputs (output.ts).
 */
import type { WinogradKernel } from "../../../ir/kernel.ts";
import { FILTER_BLOCK, filterParts, type WinogradParam, winogradParams } from "../../../ir/winograd.ts";
import { type MemoryLimits, ModuleBuilder } from "../assembler.ts";
import type { Features } from "../features.ts";
import { emitInput } from "./input.ts";
import { emitOutput } from "./output.ts";
import { emitProducts } from "./products.ts";
import { emitTables } from "./tables.ts";
import { UnitCode, WinogradLayout } from "./unit.ts";

type ReadSlot = (slot: number) => number;

export interface EmittedWinograd {
  /** A module that exports `run(block, begin, end)` and imports `env.memory` and `env.scratch(bytes)`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The number of work units of a launch; `read(slot)` is the i32 in the 8-byte slot of its parameter block. */
  readonly units: (read: ReadSlot) => number;
  /** An estimate of the work of a launch, in nanoseconds of one thread. */
  readonly work: (read: ReadSlot) => number;
  /** How many bytes a launch asks of `env.scratch`. */
  readonly scratchBytes: (read: ReadSlot) => number;
}

/** Multiplications and additions that a thread does in a nanosecond, roughly. */
const RATE = 30;

/** Makes the code of a Winograd kernel. */
export function emitWinograd(kernel: WinogradKernel, features: Features, memory: MemoryLimits = {}): EmittedWinograd {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", memory);
  const scratch = module.importFunction("env", "scratch", ["i32"], ["i32"]);
  const layout = new WinogradLayout(kernel.tile, features);
  const buffers = kernel.buffers.length;
  const f = module.function(["i32", "i32", "i32"], [], "run");
  const tables = emitTables(module, layout, buffers);
  const input = emitInput(module, layout, buffers);
  const products = emitProducts(module, layout, buffers);
  const output = emitOutput(module, layout, buffers, kernel.biased);

  const [block, unit, end] = [f.parameter(0), f.parameter(1), f.parameter(2)];
  f.get(unit)
    .get(end)
    .op("i32.ge_s")
    .if(() => f.return());
  const i32 = () => f.local("i32");
  const base = i32();
  const code = new UnitCode(f, block, base, buffers);
  const [lineBytes, lines, pointBytes, transformed, productBytes, panels, first, count, total] = [
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
  ];
  const unitTiles = code.param("unitTiles");
  const columns = code.param("tileColumns");
  const align = () => f.i32(63).op("i32.add").i32(-64).op("i32.and");
  // As WinogradLayout.dynamic.
  f.get(unitTiles)
    .i32(layout.panelTiles - 1)
    .op("i32.add")
    .i32(layout.panelTiles)
    .op("i32.div_u")
    .set(panels);
  f.get(columns).i32(3).op("i32.add").i32(-4).op("i32.and").i32(layout.tile).op("i32.mul").i32(12).op("i32.add");
  f.i32(2).op("i32.shl").set(lineBytes);
  f.get(unitTiles).i32(2).op("i32.sub").get(columns).op("i32.add").get(columns).op("i32.div_u").i32(1).op("i32.add");
  f.i32(2 * layout.tile)
    .op("i32.mul")
    .get(lineBytes)
    .op("i32.mul")
    .i32(64)
    .op("i32.add");
  align().set(lines);
  f.get(panels)
    .get(code.param("channels"))
    .op("i32.mul")
    .i32(4 * layout.panelTiles)
    .op("i32.mul");
  f.i32(320).op("i32.add").tee(pointBytes).i32(layout.points).op("i32.mul");
  align().set(transformed);
  const outputs = code.param("outputs");
  const unitBlocks = code.param("unitBlocks");
  f.get(unitBlocks).i32(FILTER_BLOCK).op("i32.mul").i32(9).op("i32.add").set(count);
  code.least(count, outputs).get(panels).op("i32.mul").i32(layout.outputBytes).op("i32.mul");
  align().set(productBytes);
  f.get(lines).get(transformed).op("i32.add").get(productBytes).op("i32.add").i32(layout.fixedBytes).op("i32.add");
  f.call(scratch).set(base);
  code.setField("lineBytes", () => f.get(lineBytes));
  code.setField("pointBytes", () => f.get(pointBytes));
  code.setField("lines", () => code.at(layout.fixedBytes));
  code.setField("transformed", () => code.at(layout.fixedBytes).get(lines).op("i32.add"));
  code.setField("products", () => code.at(layout.fixedBytes).get(lines).op("i32.add").get(transformed).op("i32.add"));
  f.get(code.param("samples")).get(code.param("strips")).op("i32.mul");
  f.get(code.param("tileRows")).op("i32.mul").get(columns).op("i32.mul").set(total);
  // As filterBlocks and filterParts of ir/winograd.ts.
  const [full, parts, part, lastFirst] = [i32(), i32(), i32(), i32()];
  f.get(outputs).i32(FILTER_BLOCK).op("i32.div_u");
  f.get(outputs).i32(4).op("i32.sub").i32(FILTER_BLOCK).op("i32.div_s");
  f.get(outputs).i32(FILTER_BLOCK).op("i32.rem_u").op("i32.eqz").select().set(full);
  f.get(full).get(unitBlocks).op("i32.add").i32(1).op("i32.sub").get(unitBlocks).op("i32.div_u").tee(parts);
  f.op("i32.eqz").if(() => f.i32(1).set(parts));
  f.i32(-1).set(lastFirst);
  code.while(unit, end, () => {
    f.get(unit).get(parts).op("i32.rem_u").set(part);
    f.get(unit).get(parts).op("i32.div_u").get(unitTiles).op("i32.mul").set(first);
    // The unit before may have had the same tiles.
    f.get(first).get(lastFirst).op("i32.ne");
    f.if(() => {
      f.get(total).get(first).op("i32.sub").set(count);
      code.least(count, unitTiles).set(count);
      f.get(block).get(base).get(first).get(count).call(tables);
      f.get(block).get(base).call(input);
      f.get(first).set(lastFirst);
    });
    const [blocks, firstOutput] = [i32(), i32()];
    f.get(part).get(unitBlocks).op("i32.mul").tee(firstOutput).i32(FILTER_BLOCK).op("i32.mul");
    f.get(full).get(firstOutput).op("i32.sub").set(blocks).set(firstOutput);
    code.least(blocks, unitBlocks).set(blocks);
    code.setField("fullBlocks", () => f.get(blocks));
    code.setField("firstOutput", () => f.get(firstOutput));
    code.setField("outputCount", () => {
      f.get(outputs).get(firstOutput).op("i32.sub").get(blocks).i32(FILTER_BLOCK).op("i32.mul");
      f.get(part).i32(1).op("i32.add").get(parts).op("i32.eq").select();
    });
    f.get(block).get(base).call(products);
    f.get(block).get(base).call(output);
    f.release(blocks, firstOutput);
    code.add(unit, 1);
  });

  const reader =
    (read: ReadSlot) =>
    (name: WinogradParam): number =>
      read(buffers + winogradParams.indexOf(name));
  return {
    bytes: module.bytes(),
    units: (slot) => {
      const read = reader(slot);
      const tiles = read("samples") * read("strips") * read("tileRows") * read("tileColumns");
      return Math.ceil(tiles / read("unitTiles")) * filterParts(read("outputs"), read("unitBlocks"));
    },
    work: (slot) => {
      const read = reader(slot);
      const tiles = read("samples") * read("strips") * read("tileRows") * read("tileColumns");
      return (tiles * layout.points * read("channels") * read("outputs")) / RATE;
    },
    scratchBytes: (slot) => layout.scratchBytes(reader(slot)),
  };
}
