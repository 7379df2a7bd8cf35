/** What the parts of a Winograd kernel share: where things lie in the scratch area, and small pieces of code. */
import {
  type Arithmetic,
  FILTER_BLOCK,
  type WinogradParam,
  type WinogradTile,
  winogradParams,
} from "../../../ir/winograd.ts";
import type { FunctionBuilder, Local } from "../assembler.ts";
import type { Features } from "../features.ts";

/** The most tiles of a work unit, and the most columns of tiles in a strip. */
export const MOST_TILES = 128;
export const MOST_STRIP = 32;

/** Numbers that the functions of a kernel hand to each other, as i32 at the start of the scratch area. */
const FIELDS = [
  "tiles",
  "panels",
  "bands",
  "planeRows",
  "segments",
  "lineBytes",
  "lines",
  "transformed",
  "products",
  /** Bytes between the points of the transformed input. */
  "pointBytes",
  /** The unit's first output channel, how many it has, and how many blocks of filters are full. */
  "firstOutput",
  "outputCount",
  "fullBlocks",
] as const;

export type Field = (typeof FIELDS)[number];

/** Bytes of an entry in the tables of bands and segments. */
export const ENTRY = 16;

const align = (bytes: number): number => (bytes + 63) & ~63;

/** Static offsets in the scratch area, and the sizes that depend only on the kernel. */
export class WinogradLayout {
  readonly tile: WinogradTile;
  /** Rows and columns of a tile of inputs. */
  readonly side: number;
  readonly points: number;
  /** Tiles side by side in the operands of the products: two vectors, of 256 bits where there are such. */
  readonly panelTiles: 8 | 16;
  readonly relaxed: boolean;
  /** For each tile, where it starts in the planes. */
  readonly tileOffsets: number;
  readonly bandTable: number;
  readonly segmentTable: number;
  /** Elements of one plane of column-transformed inputs: at most two rows of tiles more than are used, for each band. */
  readonly planeBytes = 4 * (2 * (MOST_TILES + 2 * MOST_STRIP) + 16);
  readonly planes: number;
  /** Results of a channel, by their place in the tile, and as rows. */
  readonly parts: number;
  readonly partBytes = 4 * MOST_TILES;
  readonly rows: number;
  readonly rowBytes: number;
  /** Where the parts whose size depends on the launch begin. */
  readonly fixedBytes: number;
  /** Bytes between the products of neighbouring outputs: one cache line more than they take, so that they spread over the sets. */
  readonly outputBytes: number;

  constructor(tile: WinogradTile, features: Features) {
    this.tile = tile;
    this.side = tile + 2;
    this.points = this.side ** 2;
    this.panelTiles = features.wide ? 16 : 8;
    this.relaxed = features.relaxed;
    this.outputBytes = 4 * this.points * this.panelTiles + 64;
    this.rowBytes = 4 * tile * MOST_TILES + 64;
    let offset = align(4 * FIELDS.length);
    const reserve = (bytes: number): number => {
      const at = offset;
      offset = align(offset + bytes);
      return at;
    };
    this.tileOffsets = reserve(4 * (MOST_TILES + 16));
    this.bandTable = reserve(ENTRY * MOST_TILES);
    this.segmentTable = reserve(ENTRY * MOST_TILES);
    this.planes = reserve(tile * this.side * this.planeBytes);
    this.parts = reserve(tile * tile * this.partBytes);
    this.rows = reserve(tile * this.rowBytes);
    this.fixedBytes = offset;
  }

  /** Bytes of the parts whose size depends on the launch. */
  dynamic(read: (param: WinogradParam) => number) {
    const panels = Math.ceil(read("unitTiles") / this.panelTiles);
    const columns = read("tileColumns");
    const lineBytes = 4 * (this.tile * ((columns + 3) & ~3) + 12);
    const planeRows = 2 * (Math.ceil((read("unitTiles") - 1) / columns) + 1);
    // Beyond the last line: the ends of zeros.
    const lines = align(this.tile * planeRows * lineBytes + 64);
    const pointBytes = 4 * panels * read("channels") * this.panelTiles + 320;
    const transformed = align(this.points * pointBytes);
    const products = align(panels * this.unitOutputs(read) * this.outputBytes);
    return { lineBytes, lines, pointBytes, transformed, products };
  }

  /** The most output channels of a unit: at most nine are beyond the full blocks. */
  private unitOutputs(read: (param: WinogradParam) => number): number {
    return Math.min(read("outputs"), FILTER_BLOCK * read("unitBlocks") + 9);
  }

  scratchBytes(read: (param: WinogradParam) => number): number {
    const { lines, transformed, products } = this.dynamic(read);
    return this.fixedBytes + lines + transformed + products;
  }
}

/** Emits code of one function with the parameters (block, base, …). */
export class UnitCode {
  readonly f: FunctionBuilder;
  readonly block: Local;
  readonly base: Local;
  private readonly buffers: number;

  constructor(f: FunctionBuilder, block: Local, base: Local, buffers: number) {
    this.f = f;
    this.block = block;
    this.base = base;
    this.buffers = buffers;
  }
  i32(): Local {
    return this.f.local("i32");
  }
  /** A local with a parameter of the launch. */
  param(name: WinogradParam): Local {
    const local = this.i32();
    this.f
      .get(this.block)
      .memory("i32.load", 8 * (this.buffers + winogradParams.indexOf(name)))
      .set(local);
    return local;
  }
  /** A local with the address of a buffer. */
  buffer(slot: number): Local {
    const local = this.i32();
    this.f
      .get(this.block)
      .memory("i32.load", 8 * slot)
      .set(local);
    return local;
  }
  field(name: Field): Local {
    const local = this.i32();
    this.f
      .get(this.base)
      .memory("i32.load", 4 * FIELDS.indexOf(name))
      .set(local);
    return local;
  }
  setField(name: Field, push: () => void): void {
    this.f.get(this.base);
    push();
    this.f.memory("i32.store", 4 * FIELDS.indexOf(name));
  }
  /** Pushes the address of a part of the scratch area. */
  at(offset: number): FunctionBuilder {
    return this.f.get(this.base).i32(offset).op("i32.add");
  }
  /** `while (local < limit) body`; the body advances the local. */
  while(local: Local, limit: Local, body: () => void): void {
    const { f } = this;
    f.get(local).get(limit).op("i32.lt_s");
    f.if(() => {
      f.loop((again) => {
        body();
        f.get(local).get(limit).op("i32.lt_s").br_if(again);
      });
    });
  }
  /** `local += n` */
  add(local: Local, n: number | Local): FunctionBuilder {
    const { f } = this;
    f.get(local);
    if (typeof n === "number") f.i32(n);
    else f.get(n);
    return f.op("i32.add").set(local);
  }
  /** Pushes min or max of two locals. */
  least(a: Local, b: Local): FunctionBuilder {
    return this.f.get(a).get(b).get(a).get(b).op("i32.lt_s").select();
  }

  /** Copies `bytes` > 0 bytes, whole floats, whose ends may be copied twice. The addresses are changed. */
  copy(from: Local, to: Local, bytes: Local): void {
    const { f } = this;
    const end = this.i32();
    const move = () => f.get(to).get(from).memory("v128.load", 0, 2).memory("v128.store", 0, 2);
    f.get(from).get(bytes).op("i32.add").set(end);
    f.get(bytes).i32(16).op("i32.ge_s");
    f.if(
      () => {
        f.get(end).i32(16).op("i32.sub").set(end);
        this.while(from, end, () => {
          move();
          this.add(from, 16);
          this.add(to, 16);
        });
        // The last vector overlaps the one before.
        f.get(to).get(end).get(from).op("i32.sub").op("i32.add").set(to);
        f.get(end).set(from);
        move();
      },
      () =>
        this.while(from, end, () => {
          f.get(to).get(from).memory("f32.load").memory("f32.store");
          this.add(from, 4);
          this.add(to, 4);
        }),
    );
    f.release(end);
  }
}

/** Transforms of vectors in locals. Factors must have been declared. */
export class VectorArithmetic implements Arithmetic<Local> {
  private readonly f: FunctionBuilder;
  private readonly factors = new Map<number, Local>();

  /** Emits the factors' setting: to be made at the start of the function. */
  constructor(f: FunctionBuilder, factors: readonly number[]) {
    this.f = f;
    for (const factor of factors) {
      const local = f.local("v128");
      f.f32(factor).op("f32x4.splat").set(local);
      this.factors.set(factor, local);
    }
  }
  private store(): Local {
    const local = this.f.local("v128");
    this.f.set(local);
    return local;
  }
  readonly add = (a: Local, b: Local): Local => {
    this.f.get(a).get(b).op("f32x4.add");
    return this.store();
  };
  readonly sub = (a: Local, b: Local): Local => {
    this.f.get(a).get(b).op("f32x4.sub");
    return this.store();
  };
  readonly mul = (a: Local, factor: number): Local => {
    this.f
      .get(a)
      .get(this.factors.get(factor) as Local)
      .op("f32x4.mul");
    return this.store();
  };
  /** A local with the vector at `address`. */
  load(address: Local, offset: number): Local {
    this.f.get(address).memory("v128.load", offset, 2);
    return this.store();
  }
  /** A local with lanes from two vectors: 0 to 3 from `a`, 4 to 7 from `b`. */
  shuffle(a: Local, b: Local, lanes: readonly number[]): Local {
    this.f
      .get(a)
      .get(b)
      .shuffle(lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte)));
    return this.store();
  }
  /** The transpose of four vectors. */
  transpose([a, b, c, d]: readonly Local[]): Local[] {
    const [p, q] = [this.shuffle(a, b, [0, 4, 1, 5]), this.shuffle(a, b, [2, 6, 3, 7])];
    const [r, s] = [this.shuffle(c, d, [0, 4, 1, 5]), this.shuffle(c, d, [2, 6, 3, 7])];
    return [
      this.shuffle(p, r, [0, 1, 4, 5]),
      this.shuffle(p, r, [2, 3, 6, 7]),
      this.shuffle(q, s, [0, 1, 4, 5]),
      this.shuffle(q, s, [2, 3, 6, 7]),
    ];
  }
}
