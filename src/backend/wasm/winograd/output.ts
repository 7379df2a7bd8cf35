/** The transform of the products, Aᵀ p A, with the bias, and its way to the output. */
import { outputTransform, sandwich } from "../../../ir/winograd.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../assembler.ts";
import { ENTRY, UnitCode, VectorArithmetic, type WinogradLayout } from "./unit.ts";

/** Factors in Aᵀ. */
const FACTORS = { 2: [], 4: [2, 4, 8] } as const;

/** A function (block, base): the outputs of a unit. */
export function emitOutput(
  module: ModuleBuilder,
  layout: WinogradLayout,
  buffers: number,
  biased: boolean,
): FunctionBuilder {
  const transform = emitTransform(module, layout, buffers);
  const interleave = emitInterleave(module, layout, buffers);
  const store = emitStore(module, layout, buffers);
  const f = module.function(["i32", "i32"], []);
  const code = new UnitCode(f, f.parameter(0), f.parameter(1), buffers);
  const [output, target] = [code.i32(), code.i32()];
  const bias = f.local("f32");
  const outputs = code.field("outputCount");
  const first = code.field("firstOutput");
  const step = code.param("outChannel");
  const products = code.field("products");
  const biasAt = biased ? code.buffer(2) : null;
  const biasStep = code.param("biasStride");
  for (const elements of [step, biasStep]) f.get(elements).i32(2).op("i32.shl").set(elements);
  f.get(code.buffer(buffers - 1))
    .get(first)
    .get(step)
    .op("i32.mul")
    .op("i32.add")
    .set(target);
  if (biasAt) f.get(first).get(biasStep).op("i32.mul").get(biasAt).op("i32.add").set(biasAt);
  code.while(output, outputs, () => {
    if (biasAt) {
      f.get(biasAt).memory("f32.load").set(bias);
      code.add(biasAt, biasStep);
    }
    f.get(code.block).get(code.base).get(products).get(bias).call(transform);
    f.get(code.block).get(code.base).call(interleave);
    f.get(code.block).get(code.base).get(target).call(store);
    code.add(products, layout.outputBytes);
    code.add(target, step);
    code.add(output, 1);
  });
  return f;
}

/** A function (block, base, products, bias): the results of one output channel, by their place in the tile. */
function emitTransform(module: ModuleBuilder, layout: WinogradLayout, buffers: number): FunctionBuilder {
  const f = module.function(["i32", "i32", "i32", "f32"], []);
  const code = new UnitCode(f, f.parameter(0), f.parameter(1), buffers);
  const products = f.parameter(2);
  const { tile: m, side, panelTiles } = layout;
  const [at, end] = [code.i32(), code.i32()];
  const vectors = new VectorArithmetic(f, FACTORS[m]);
  const panels = code.field("panels");
  const panelStep = code.field("outputCount");
  const bias = f.local("v128");
  f.get(f.parameter(3)).op("f32x4.splat").set(bias);
  f.get(panelStep).i32(layout.outputBytes).op("i32.mul").set(panelStep);
  code.at(layout.parts).set(at);
  f.get(at)
    .get(panels)
    .i32(4 * panelTiles)
    .op("i32.mul")
    .op("i32.add")
    .set(end);
  const square = Array.from({ length: side }, (_, a) => Array.from({ length: side }, (_, b) => a * side + b));
  code.while(at, end, () => {
    for (let group = 0; group < panelTiles / 8; group++) {
      const halves = [0, 16].map((half) => {
        const loaded = square.map((row) =>
          row.map((point) => vectors.load(products, 4 * panelTiles * point + 32 * group + half)),
        );
        const values = sandwich((column) => outputTransform(m, column, vectors), loaded);
        return values.map((row) => row.map((value) => vectors.add(value, bias)));
      }) as [Local[][], Local[][]];
      for (let a = 0; a < m; a++) {
        for (let b = 0; b < m; b++) {
          for (const half of [1, 0])
            f.get(at)
              .get((halves[half][a] as Local[])[b] as Local)
              .memory("v128.store", (a * m + b) * layout.partBytes + 32 * group + 16 * half);
        }
      }
    }
    code.add(products, panelStep);
    code.add(at, 4 * panelTiles);
  });
  return f;
}

/** A function (block, base): rows of results. */
function emitInterleave(module: ModuleBuilder, layout: WinogradLayout, buffers: number): FunctionBuilder {
  const f = module.function(["i32", "i32"], []);
  const code = new UnitCode(f, f.parameter(0), f.parameter(1), buffers);
  const { tile: m } = layout;
  const [from, to, end] = [code.i32(), code.i32(), code.i32()];
  const vectors = new VectorArithmetic(f, []);
  const tiles = code.field("tiles");
  code.at(layout.parts).tee(from).get(tiles).i32(2).op("i32.shl").op("i32.add").set(end);
  code.at(layout.rows).set(to);
  code.while(from, end, () => {
    for (let a = 0; a < m; a++) {
      const parts = Array.from({ length: m }, (_, b) => vectors.load(from, (a * m + b) * layout.partBytes));
      const [p, q] = parts as [Local, Local];
      const rows =
        m === 2 ? [vectors.shuffle(p, q, [0, 4, 1, 5]), vectors.shuffle(p, q, [2, 6, 3, 7])] : vectors.transpose(parts);
      for (const [i, row] of rows.entries())
        f.get(to)
          .get(row)
          .memory("v128.store", a * layout.rowBytes + 16 * i);
    }
    code.add(from, 16);
    code.add(to, 16 * m);
  });
  return f;
}

/** A function (block, base, target): the rows to where they belong in the channel at address `target`. */
function emitStore(module: ModuleBuilder, layout: WinogradLayout, buffers: number): FunctionBuilder {
  const f = module.function(["i32", "i32", "i32"], []);
  const code = new UnitCode(f, f.parameter(0), f.parameter(1), buffers);
  const target = f.parameter(2);
  const i32 = () => f.local("i32");
  const [segment, bytes, rows, from, to, start, first] = [i32(), i32(), i32(), i32(), i32(), i32(), i32()];
  const segments = code.field("segments");
  const rowBytes = code.param("outRow");
  f.get(rowBytes).i32(2).op("i32.shl").set(rowBytes);
  code.at(layout.segmentTable).set(segment);
  code.while(segment, segments, () => {
    f.get(segment).memory("i32.load", 4).i32(2).op("i32.shl").tee(bytes).i32(0).op("i32.gt_s");
    f.if(() => {
      f.get(segment).memory("i32.load", 8).set(rows);
      f.get(segment).memory("i32.load").i32(2).op("i32.shl").get(target).op("i32.add").set(start);
      code.at(layout.rows);
      f.get(segment).memory("i32.load", 12).i32(2).op("i32.shl").op("i32.add").set(first);
      f.block((done) => {
        for (let a = 0; a < layout.tile; a++) {
          f.get(rows).i32(a).op("i32.le_s").br_if(done);
          f.get(first)
            .i32(a * layout.rowBytes)
            .op("i32.add")
            .set(from);
          f.get(start).set(to);
          code.copy(from, to, bytes);
          code.add(start, rowBytes);
        }
      });
    });
    code.add(segment, ENTRY);
  });
  return f;
}
