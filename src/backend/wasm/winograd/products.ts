/** The products: for each point of a tile, filters times transformed input. */
import { FILTER_BLOCK } from "../../../ir/winograd.ts";
import type { FunctionBuilder, ModuleBuilder } from "../assembler.ts";
import { UnitCode, type WinogradLayout } from "./unit.ts";

/** Bytes of filters that are used for all panels before the next: what the second-level cache has room for. */
const PASS_BYTES = 192 * 1024;

/**
 * A function (filters, input, channels, out, blocks): `blocks` blocks of `rows` outputs for one panel of tiles. The sums,
 * two vectors of the panel and one splat of the filters are the vector registers that V8 has on x86-64.
 */
function emitBlock(module: ModuleBuilder, layout: WinogradLayout, rows: number): FunctionBuilder {
  const f = module.function(["i32", "i32", "i32", "i32", "i32"], []);
  const [filters, input, channels, out, blocks] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
  const vectors = layout.panelTiles / 4;
  const sums = Array.from({ length: rows }, () => Array.from({ length: vectors }, () => f.local("v128")));
  const x = Array.from({ length: vectors }, () => f.local("v128"));
  const [splat, zero] = [f.local("v128"), f.local("v128")];
  const [at, end] = [f.local("i32"), f.local("i32")];
  const step = (u: number) => {
    for (const [v, vector] of x.entries())
      f.get(at)
        .memory("v128.load", 16 * (u * vectors + v))
        .set(vector);
    for (const [r, row] of sums.entries()) {
      f.get(filters)
        .memory("v128.load32_splat", 4 * (u * rows + r))
        .set(splat);
      for (const [v, sum] of row.entries()) {
        if (layout.relaxed) f.get(splat).get(x[v]).get(sum).op("f32x4.relaxed_madd").set(sum);
        else f.get(sum).get(splat).get(x[v]).op("f32x4.mul").op("f32x4.add").set(sum);
      }
    }
  };
  const advance = (u: number) => {
    f.get(filters)
      .i32(4 * u * rows)
      .op("i32.add")
      .set(filters);
    f.get(at)
      .i32(16 * u * vectors)
      .op("i32.add")
      .set(at);
  };
  f.loop((nextBlock) => {
    for (const row of sums) for (const sum of row) f.get(zero).set(sum);
    f.get(input).tee(at).get(channels).i32(-2).op("i32.and");
    f.i32(16 * vectors)
      .op("i32.mul")
      .op("i32.add")
      .set(end);
    f.get(at).get(end).op("i32.ne");
    f.if(() => {
      f.loop((again) => {
        step(0);
        step(1);
        advance(2);
        f.get(at).get(end).op("i32.ne").br_if(again);
      });
    });
    f.get(channels)
      .i32(1)
      .op("i32.and")
      .if(() => {
        step(0);
        advance(1);
      });
    // V8 packs a pair of stores only if the upper half comes first.
    const order = vectors === 4 ? [1, 0, 3, 2] : [0, 1];
    for (const [r, row] of sums.entries())
      for (const v of order)
        f.get(out)
          .get(row[v])
          .memory("v128.store", layout.outputBytes * r + 16 * v);
    f.get(out)
      .i32(layout.outputBytes * rows)
      .op("i32.add")
      .set(out);
    f.get(blocks).i32(1).op("i32.sub").tee(blocks).br_if(nextBlock);
  });
  return f;
}

/** A function (block, base): all products of a unit. */
export function emitProducts(module: ModuleBuilder, layout: WinogradLayout, buffers: number): FunctionBuilder {
  const blockFunctions = Array.from({ length: FILTER_BLOCK }, (_, i) => emitBlock(module, layout, i + 1));
  const f = module.function(["i32", "i32"], []);
  const code = new UnitCode(f, f.parameter(0), f.parameter(1), buffers);
  const i32 = () => f.local("i32");
  const channels = code.param("channels");
  const outputs = code.field("outputCount");
  const full = code.field("fullBlocks");
  const filterStride = code.param("filterStride");
  const panels = code.field("panels");
  const pointBytes = code.field("pointBytes");
  const [point, points, filters, input, products] = [i32(), i32(), i32(), i32(), i32()];
  const [most, done, blocks, panel, panelInput, panelOut, filterAt] = [i32(), i32(), i32(), i32(), i32(), i32(), i32()];
  const [inputStep, outStep, blockBytes, left, rows, out] = [i32(), i32(), i32(), i32(), i32(), i32()];
  f.get(channels)
    .i32(4 * FILTER_BLOCK)
    .op("i32.mul")
    .set(blockBytes);
  f.i32(PASS_BYTES).get(blockBytes).op("i32.div_u").i32(1).op("i32.or").set(most);
  f.get(channels)
    .i32(4 * layout.panelTiles)
    .op("i32.mul")
    .set(inputStep);
  f.get(outputs).i32(layout.outputBytes).op("i32.mul").set(outStep);
  f.i32(layout.points).set(points);
  f.get(code.buffer(1)).get(code.field("firstOutput")).get(channels).op("i32.mul").i32(2).op("i32.shl");
  f.op("i32.add").set(filters);
  f.get(code.field("transformed")).set(input);
  f.get(code.field("products")).set(products);
  const perPanel = (body: () => void) => {
    f.get(input).set(panelInput);
    f.i32(0).set(panel);
    code.while(panel, panels, () => {
      body();
      code.add(panelInput, inputStep);
      code.add(panelOut, outStep);
      code.add(panel, 1);
    });
  };
  code.while(point, points, () => {
    f.get(filters).set(filterAt);
    f.i32(0).set(done);
    code.while(done, full, () => {
      f.get(full).get(done).op("i32.sub").set(blocks);
      code.least(blocks, most).set(blocks);
      f.get(done)
        .i32(FILTER_BLOCK * layout.outputBytes)
        .op("i32.mul")
        .get(products)
        .op("i32.add")
        .set(panelOut);
      perPanel(() => {
        f.get(filterAt).get(panelInput).get(channels).get(panelOut).get(blocks);
        f.call(blockFunctions[FILTER_BLOCK - 1] as FunctionBuilder);
      });
      f.get(filterAt).get(blocks).get(blockBytes).op("i32.mul").op("i32.add").set(filterAt);
      code.add(done, blocks);
    });
    f.get(outputs).get(full).i32(FILTER_BLOCK).op("i32.mul").op("i32.sub").set(left);
    f.get(outputs).get(left).op("i32.sub").i32(layout.outputBytes).op("i32.mul").get(products).op("i32.add").set(out);
    const none = i32();
    code.while(none, left, () => {
      // All of the rest where it is less than a block, else the larger half.
      f.get(left).get(left).i32(1).op("i32.add").i32(1).op("i32.shr_u");
      f.get(left).i32(FILTER_BLOCK).op("i32.lt_s").select().set(rows);
      f.get(out).set(panelOut);
      perPanel(() => {
        f.block((chosen) => {
          for (let r = 1; r < FILTER_BLOCK; r++) {
            f.get(rows).i32(r).op("i32.eq");
            f.if(() => {
              f.get(filterAt).get(panelInput).get(channels).get(panelOut).i32(1);
              f.call(blockFunctions[r - 1] as FunctionBuilder).br(chosen);
            });
          }
        });
      });
      f.get(rows).get(channels).op("i32.mul").i32(2).op("i32.shl").get(filterAt).op("i32.add").set(filterAt);
      f.get(rows).i32(layout.outputBytes).op("i32.mul").get(out).op("i32.add").set(out);
      f.get(left).get(rows).op("i32.sub").set(left);
    });
    f.get(filters).get(filterStride).i32(2).op("i32.shl").op("i32.add").set(filters);
    code.add(input, pointBytes);
    code.add(products, 4 * layout.panelTiles);
    code.add(point, 1);
  });
  return f;
}
