/** Where the tiles of a work unit come from and go to. */
import type { FunctionBuilder, ModuleBuilder } from "../assembler.ts";
import { ENTRY, UnitCode, type WinogradLayout } from "./unit.ts";

/**
 * A function (block, base, first, count) that makes the tables of `count` tiles from tile `first` on:
 *
 * - bands: runs of rows of tiles in one strip of one image. Entries: elements from the first image to this one, the
 *   image's column and row where the first tile starts, and how many image rows the band needs.
 * - segments: the unit's tiles of one row of tiles. Entries: the element of the output where the first result goes, how
 *   many columns and rows of results exist, and the first tile's number in the unit, times `tile`.
 * - tile offsets: the byte in the planes at which each tile's rows begin (input.ts).
 */
export function emitTables(module: ModuleBuilder, layout: WinogradLayout, buffers: number): FunctionBuilder {
  const f = module.function(["i32", "i32", "i32", "i32"], []);
  const code = new UnitCode(f, f.parameter(0), f.parameter(1), buffers);
  const [tile, count] = [f.parameter(2), f.parameter(3)];
  const [m, i32] = [layout.tile, () => f.local("i32")];
  const columns = code.param("tileColumns");
  const rows = code.param("tileRows");
  const strips = code.param("strips");
  const [at, column, row, strip, image, lastImage, length] = [i32(), i32(), i32(), i32(), i32(), i32(), i32()];
  const [planeRow, bandRow, band, segment, offset, slot, end] = [i32(), i32(), i32(), i32(), i32(), i32(), i32()];
  code.at(layout.bandTable - ENTRY).set(band);
  code.at(layout.segmentTable).set(segment);
  code.at(layout.tileOffsets).set(slot);
  f.i32(-1).set(lastImage);
  f.i32(-1).set(planeRow);
  code.while(at, count, () => {
    f.get(tile).get(columns).op("i32.rem_u").set(column);
    f.get(tile).get(columns).op("i32.div_u").tee(row).get(rows).op("i32.div_u").set(image);
    f.get(row).get(rows).op("i32.rem_u").set(row);
    f.get(columns).get(column).op("i32.sub").set(length);
    f.get(count).get(at).op("i32.sub").set(end);
    code.least(length, end).set(length);
    f.get(image).get(strips).op("i32.rem_u").set(strip);
    code.add(planeRow, 1);
    f.get(image).get(lastImage).op("i32.ne");
    f.if(() => {
      // After a band there is one row of planes more, into which its last tiles reach.
      f.get(planeRow).get(planeRow).i32(0).op("i32.gt_s").op("i32.add").tee(planeRow).set(bandRow);
      code.add(band, ENTRY);
      f.get(band);
      f.get(image).get(strips).op("i32.div_u").get(code.param("inSample")).op("i32.mul").memory("i32.store");
      f.get(band);
      f.get(strip).get(columns).op("i32.mul").i32(m).op("i32.mul").get(code.param("left")).op("i32.sub");
      f.memory("i32.store", 4);
      f.get(band);
      f.get(row).i32(m).op("i32.mul").get(code.param("top")).op("i32.sub").memory("i32.store", 8);
      f.get(image).set(lastImage);
    });
    f.get(band).get(planeRow).get(bandRow).op("i32.sub").i32(2).op("i32.add").i32(m).op("i32.mul");
    f.memory("i32.store", 12);

    const [firstColumn, limit, other] = [i32(), i32(), i32()];
    f.get(strip).get(columns).op("i32.mul").get(column).op("i32.add").i32(m).op("i32.mul").set(firstColumn);
    f.get(segment);
    f.get(image).get(strips).op("i32.div_u").get(code.param("outSample")).op("i32.mul");
    f.get(row).i32(m).op("i32.mul").get(code.param("outRow")).op("i32.mul").op("i32.add");
    f.get(firstColumn).op("i32.add").memory("i32.store");
    f.get(code.param("outColumns")).get(firstColumn).op("i32.sub").set(limit);
    f.get(length).i32(m).op("i32.mul").set(other);
    f.get(segment);
    code.least(limit, other).memory("i32.store", 4);
    f.get(code.param("outRows")).get(row).i32(m).op("i32.mul").op("i32.sub").set(limit);
    f.get(segment).get(limit).memory("i32.store", 8);
    f.get(segment).get(at).i32(m).op("i32.mul").memory("i32.store", 12);
    code.add(segment, ENTRY);
    f.release(firstColumn, limit, other);

    f.get(planeRow).get(columns).op("i32.mul").get(column).op("i32.add").i32(2).op("i32.shl").set(offset);
    f.get(slot).get(length).i32(2).op("i32.shl").op("i32.add").set(end);
    code.while(slot, end, () => {
      f.get(slot).get(offset).memory("i32.store");
      code.add(offset, 4);
      code.add(slot, 4);
    });
    code.add(at, length);
    code.add(tile, length);
  });
  // The last panel is filled up with the last tile.
  code.add(offset, -4);
  code.at(layout.tileOffsets);
  f.get(count)
    .i32(layout.panelTiles - 1)
    .op("i32.add")
    .i32(-layout.panelTiles)
    .op("i32.and")
    .i32(2)
    .op("i32.shl");
  f.op("i32.add").set(end);
  code.while(slot, end, () => {
    f.get(slot).get(offset).memory("i32.store");
    code.add(slot, 4);
  });
  code.setField("tiles", () => f.get(count));
  code.setField("panels", () =>
    f
      .get(count)
      .i32(layout.panelTiles - 1)
      .op("i32.add")
      .i32(layout.panelTiles)
      .op("i32.div_u"),
  );
  code.setField("bands", () => f.get(band).i32(ENTRY).op("i32.add"));
  code.setField("planeRows", () => f.get(planeRow).i32(2).op("i32.add"));
  code.setField("segments", () => f.get(segment));
  return f;
}
