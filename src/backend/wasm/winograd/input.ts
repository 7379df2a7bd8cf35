/**
 * The transform of the input, Bᵀ d B. For each channel the unit's image rows are first copied to lines, with the padding's
 * zeros. Then Bᵀ is applied along each line: tile j's results go to position j of m + 2 planes, so that tiles are neighbours in vectors.
 * A line's planes are those of its row modulo m; in them tile rows lie one after another, and the elements of a column of tile t
 * are found at t's offset and, from row m on, one row of tiles later. Bᵀ along columns gives the operand of the products.
 */
import { inputTransform } from "../../../ir/winograd.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../assembler.ts";
import { ENTRY, UnitCode, VectorArithmetic, type WinogradLayout } from "./unit.ts";

/** The most zeros before a row that a line has room for. */
export const MOST_PADDING = 8;

/** Factors in Bᵀ. */
const FACTORS = { 2: [], 4: [2, 4, 5] } as const;

/** A function (block, base): the transformed input of a unit whose tables are made. */
export function emitInput(module: ModuleBuilder, layout: WinogradLayout, buffers: number): FunctionBuilder {
  const copyLines = emitLines(module, layout, buffers);
  const transformLines = emitAlongLines(module, layout, buffers);
  const transformColumns = emitAlongColumns(module, layout, buffers);
  const f = module.function(["i32", "i32"], []);
  const code = new UnitCode(f, f.parameter(0), f.parameter(1), buffers);
  const [channel, source, target] = [code.i32(), code.i32(), code.i32()];
  const channels = code.param("channels");
  const step = code.param("inChannel");
  f.get(step).i32(2).op("i32.shl").set(step);
  f.get(code.buffer(0)).set(source);
  f.get(code.field("transformed")).set(target);
  code.while(channel, channels, () => {
    f.get(code.block).get(code.base).get(source).call(copyLines);
    f.get(code.block).get(code.base).call(transformLines);
    f.get(code.block).get(code.base).get(target).call(transformColumns);
    code.add(source, step);
    code.add(target, 4 * layout.panelTiles);
    code.add(channel, 1);
  });
  return f;
}

/** A function (block, base, source): the lines of a channel that starts at address `source`. */
function emitLines(module: ModuleBuilder, layout: WinogradLayout, buffers: number): FunctionBuilder {
  const f = module.function(["i32", "i32", "i32"], []);
  const code = new UnitCode(f, f.parameter(0), f.parameter(1), buffers);
  const source = f.parameter(2);
  const i32 = () => f.local("i32");
  const [band, row, end, from, lead, bytes] = [i32(), i32(), i32(), i32(), i32(), i32()];
  const [image, read, write, lineEnd] = [i32(), i32(), i32(), i32()];
  const zero = f.local("v128");
  const bands = code.field("bands");
  const line = code.field("lines");
  const lineBytes = code.field("lineBytes");
  const rowBytes = code.param("inRow");
  const rows = code.param("rows");
  const columns = code.param("columns");
  const reach = code.param("tileColumns");
  f.get(rowBytes).i32(2).op("i32.shl").set(rowBytes);
  // Columns that a strip reads.
  f.get(reach).i32(layout.tile).op("i32.mul").i32(2).op("i32.add").set(reach);
  const zeros = (offset: number) => f.get(line).get(zero).memory("v128.store", offset);
  /** Zeros from `write` to the line's end, and into the next line, which is written later. */
  const zerosToEnd = () =>
    code.while(write, lineEnd, () => {
      f.get(write).get(zero).memory("v128.store", 0, 2);
      code.add(write, 16);
    });
  code.at(layout.bandTable).set(band);
  code.while(band, bands, () => {
    f.get(band).memory("i32.load", 4).set(lead);
    // From column max(0, first) on.
    f.get(lead).i32(0).get(lead).i32(0).op("i32.gt_s").select().set(from);
    f.get(lead).get(reach).op("i32.add").set(end);
    code.least(end, columns).get(from).op("i32.sub").i32(2).op("i32.shl").set(bytes);
    f.get(from).get(lead).op("i32.sub").i32(2).op("i32.shl").set(lead);
    f.get(band).memory("i32.load").get(from).op("i32.add").i32(2).op("i32.shl").get(source).op("i32.add").set(image);
    f.get(band).memory("i32.load", 8).tee(row).get(band).memory("i32.load", 12).op("i32.add").set(end);
    code.while(row, end, () => {
      f.get(line).set(write);
      f.get(line).get(lineBytes).op("i32.add").set(lineEnd);
      f.get(row).get(rows).op("i32.lt_u").get(bytes).i32(0).op("i32.gt_s").op("i32.and");
      f.if(
        () => {
          f.get(lead).if(() => {
            for (let i = 0; i < MOST_PADDING; i += 4) zeros(4 * i);
          });
          f.get(line).get(lead).op("i32.add").set(write);
          f.get(image).get(row).get(rowBytes).op("i32.mul").op("i32.add").set(read);
          code.copy(read, write, bytes);
          f.get(line).get(lead).op("i32.add").get(bytes).op("i32.add").set(write);
          zerosToEnd();
        },
        () => zerosToEnd(),
      );
      f.get(lineEnd).set(line);
      code.add(row, 1);
    });
    code.add(band, ENTRY);
  });
  return f;
}

/** A function (block, base): the planes from the lines. */
function emitAlongLines(module: ModuleBuilder, layout: WinogradLayout, buffers: number): FunctionBuilder {
  const f = module.function(["i32", "i32"], []);
  const code = new UnitCode(f, f.parameter(0), f.parameter(1), buffers);
  const { tile: m, side, planeBytes } = layout;
  const i32 = () => f.local("i32");
  const [planeRow, target, at, end] = [i32(), i32(), i32(), i32()];
  const vectors = new VectorArithmetic(f, FACTORS[m]);
  const planeRows = code.field("planeRows");
  const line = code.field("lines");
  const lineBytes = code.field("lineBytes");
  const width = code.param("tileColumns");
  f.get(width).i32(2).op("i32.shl").set(width);
  const lines = Array.from({ length: m }, i32);
  code.at(layout.planes).set(target);
  code.while(planeRow, planeRows, () => {
    for (const own of lines) {
      f.get(line).set(own);
      code.add(line, lineBytes);
    }
    // The last vector writes into the next row, which is written later.
    f.get(target).tee(at).get(width).op("i32.add").set(end);
    code.while(at, end, () => {
      lines.forEach((own, residue) => {
        const values = inputTransform(m, loadTiles(vectors, own, m), vectors);
        for (const [q, value] of values.entries())
          f.get(at)
            .get(value)
            .memory("v128.store", (residue * side + q) * planeBytes, 2);
        code.add(own, 16 * m);
      });
      code.add(at, 16);
    });
    code.add(target, width);
    code.add(planeRow, 1);
  });
  return f;
}

/** The elements of four tiles in a row: vector i has element i of each. */
function loadTiles(vectors: VectorArithmetic, line: Local, m: 2 | 4): Local[] {
  const load = (element: number) => vectors.load(line, 4 * element);
  if (m === 2) {
    const [a, b, c, d] = [load(0), load(4), load(2), load(6)];
    const [even, odd] = [
      [0, 2, 4, 6],
      [1, 3, 5, 7],
    ] as const;
    return [
      vectors.shuffle(a, b, even),
      vectors.shuffle(a, b, odd),
      vectors.shuffle(c, d, even),
      vectors.shuffle(c, d, odd),
    ];
  }
  const first = [0, 4, 8, 12].map(load);
  const next = [...first.slice(1), load(16)];
  return [...vectors.transpose(first), ...vectors.transpose(next).slice(0, 2)];
}

/** A function (block, base, target): the transformed input of one channel, from the planes. */
function emitAlongColumns(module: ModuleBuilder, layout: WinogradLayout, buffers: number): FunctionBuilder {
  const f = module.function(["i32", "i32", "i32"], []);
  const code = new UnitCode(f, f.parameter(0), f.parameter(1), buffers);
  const target = f.parameter(2);
  const { tile: m, side, planeBytes } = layout;
  const i32 = () => f.local("i32");
  const [slot, end, at, below, start, panelStep] = [i32(), i32(), i32(), i32(), i32(), i32()];
  const vectors = new VectorArithmetic(f, FACTORS[m]);
  const pointBytes = code.field("pointBytes");
  const panels = code.field("panels");
  const width = code.param("tileColumns");
  const channels = code.param("channels");
  f.get(width).i32(2).op("i32.shl").set(width);
  f.get(channels)
    .i32(4 * layout.panelTiles)
    .op("i32.mul")
    .set(panelStep);
  const targets = Array.from({ length: side }, i32);
  const planes = i32();
  code.at(layout.planes).set(planes);
  /** From four or eight tiles at `at` and `below`, whose elements `load` gives. */
  const transform = (q: number, load: (address: Local, offset: number) => Local): Local[] =>
    inputTransform(
      m,
      targets.map((_, a) => load(a < m ? at : below, ((a % m) * side + q) * planeBytes)),
      vectors,
    );
  const gather = (address: Local, offset: number, lane: number, into: Local | null): Local => {
    const vector = into ?? f.local("v128");
    f.get(address);
    if (lane === 0) f.memory("v128.load32_zero", offset);
    else f.get(vector).memoryLane("v128.load32_lane", lane, offset);
    f.set(vector);
    return vector;
  };
  for (let q = 0; q < side; q++) {
    for (const [a, own] of targets.entries()) {
      f.get(target)
        .i32(a * side + q)
        .get(pointBytes)
        .op("i32.mul")
        .op("i32.add")
        .set(own);
    }
    code.at(layout.tileOffsets).tee(slot);
    f.get(panels)
      .i32(4 * layout.panelTiles)
      .op("i32.mul")
      .op("i32.add")
      .set(end);
    code.while(slot, end, () => {
      for (let group = 0; group < layout.panelTiles / 8; group++) {
        f.get(slot)
          .memory("i32.load", 32 * group)
          .tee(start)
          .get(planes)
          .op("i32.add")
          .tee(at);
        f.get(width).op("i32.add").set(below);
        f.get(slot)
          .memory("i32.load", 32 * group + 28)
          .get(start)
          .op("i32.sub")
          .i32(28)
          .op("i32.eq");
        f.if(
          () => {
            const halves = [0, 16].map((half) =>
              transform(q, (address, offset) => vectors.load(address, offset + half)),
            ) as [Local[], Local[]];
            for (const [a, own] of targets.entries())
              for (const half of [1, 0])
                f.get(own)
                  .get(halves[half][a] as Local)
                  .memory("v128.store", 32 * group + 16 * half);
          },
          () => {
            for (const half of [0, 1]) {
              const elements: (Local | null)[] = targets.map(() => null);
              for (let lane = 0; lane < 4; lane++) {
                f.get(slot)
                  .memory("i32.load", 32 * group + 16 * half + 4 * lane)
                  .get(planes)
                  .op("i32.add")
                  .tee(at)
                  .get(width)
                  .op("i32.add")
                  .set(below);
                for (const a of targets.keys()) {
                  const offset = ((a % m) * side + q) * planeBytes;
                  elements[a] = gather(a < m ? at : below, offset, lane, elements[a] ?? null);
                }
              }
              const values = inputTransform(m, elements as Local[], vectors);
              for (const [a, own] of targets.entries())
                f.get(own)
                  .get(values[a] as Local)
                  .memory("v128.store", 32 * group + 16 * half);
            }
          },
        );
      }
      for (const own of targets) code.add(own, panelStep);
      code.add(slot, 4 * layout.panelTiles);
    });
  }
  return f;
}
