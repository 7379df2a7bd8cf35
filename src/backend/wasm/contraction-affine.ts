/**
 * Affine indices as tables. An index that is affine in all axes is a sum of one part for each axis group, so the byte
 * address of an element is `rows[m] + depth[k]` for A, `depth[k] + columns[n]` for B and `rows[m] + columns[n]` for a
 * store. Each part is a table of i32, filled once for a block with additions only; packing and the stores then
 * need no index arithmetic, whatever the number of axes, and a table shows at run time whether neighbours are adjacent.
 */
import { type Axis, type ComputeType, coefficient, constant, type Expr, rewrite, walk } from "../../ir/expr.ts";
import type { FunctionBuilder, Local, ModuleBuilder, ValueType } from "./assembler.ts";

/**
 * An element of a buffer at an index that is affine in all axes of the kernel; or, with slot -1 and one byte, the value
 * of the affine expression itself.
 */
export interface AffineAccess {
  readonly slot: number;
  /** Bytes of an element. */
  readonly bytes: number;
  /** The index where all axes are 0. */
  readonly origin: Expr;
  /** Elements that one step along an axis moves. Axes that do not matter are absent. */
  readonly strides: ReadonlyMap<Axis, Expr>;
}

export function affineAccess(index: Expr, axes: readonly Axis[], slot: number, bytes: number): AffineAccess | null {
  const strides = new Map<Axis, Expr>();
  for (const axis of axes) {
    const stride = coefficient(index, axis);
    if (stride === null || !isUniform(stride)) return null;
    if (!stride.is(0)) strides.set(axis, stride);
  }
  const origin = rewrite(index, (node) => (node.op === "index" ? constant("i32", 0) : node));
  return isUniform(origin) ? { slot, bytes, origin, strides } : null;
}

/** Whether an i32 expression is the same for all indices and needs no memory but the parameter block. */
function isUniform(e: Expr): boolean {
  let uniform = true;
  walk(e, (node) => {
    if (node.op === "index" || node.op === "load" || node.op === "accumulator" || node.op === "stage") uniform = false;
  });
  return uniform;
}

/** Scalars of the parameter block, read into locals at the start of a function. */
export class Parameters {
  private readonly f: FunctionBuilder;
  private readonly block: Local;
  private readonly bufferCount: number;

  constructor(f: FunctionBuilder, block: Local, bufferCount: number) {
    this.f = f;
    this.block = block;
    this.bufferCount = bufferCount;
  }

  /** Pushes the address of a buffer's first element. */
  address(slot: number): void {
    this.f.get(this.block).memory("i32.load", 8 * slot);
  }

  /** Pushes a uniform i32 expression. */
  push(e: Expr): void {
    const { f } = this;
    switch (e.op) {
      case "const":
        f.i32(e.value as number);
        return;
      case "param":
        f.get(this.block).memory("i32.load", 8 * (this.bufferCount + e.slot));
        return;
      case "neg":
        f.i32(0);
        this.push(e.args[0]);
        f.op("i32.sub");
        return;
      case "add":
      case "sub":
      case "mul":
        this.push(e.args[0]);
        this.push(e.args[1]);
        f.op(`i32.${e.op}`);
        return;
      case "div":
      case "rem": {
        const divisor = f.local("i32");
        this.push(e.args[1]);
        f.tee(divisor);
        f.if(
          () => {
            this.push(e.args[0]);
            f.get(divisor).op(`i32.${e.op as "div" | "rem"}_s`);
          },
          () => f.i32(0),
          "i32",
        );
        f.release(divisor);
        return;
      }
      case "min":
      case "max": {
        const a = f.local("i32");
        const b = f.local("i32");
        this.push(e.args[0]);
        f.set(a);
        this.push(e.args[1]);
        f.set(b);
        f.get(a).get(b).get(a).get(b);
        f.op(e.op === "min" ? "i32.lt_s" : "i32.gt_s").select();
        f.release(a, b);
        return;
      }
      default:
        throw new Error(`contraction: ${e.op} in a size or stride`);
    }
  }

  /** Pushes a constant or parameter of any type but bool. */
  pushScalar(e: Expr): void {
    const { f } = this;
    if (e.op === "param") {
      f.get(this.block).memory(`${e.type as ValueType & ComputeType}.load`, 8 * (this.bufferCount + e.slot));
    } else if (e.type === "i64") f.i64(e.value as bigint);
    else if (e.type === "i32") f.i32(e.value as number);
    else f[e.type as "f32" | "f64"](e.value as number);
  }

  /** A new local with the value of a uniform i32 expression. */
  local(e: Expr): Local {
    const local = this.f.local("i32");
    this.push(e);
    this.f.set(local);
    return local;
  }

  /** A new local with the product of the axes' sizes. */
  product(axes: readonly Axis[]): Local {
    const local = this.f.local("i32");
    this.f.i32(1).set(local);
    for (const axis of axes) {
      this.f.get(local);
      this.push(axis.size);
      this.f.op("i32.mul").set(local);
    }
    return local;
  }
}

/** Sets `indices` from the flattened index in `flat`, the last axis fastest. Destroys `flat`. */
export function emitDecode(f: FunctionBuilder, flat: Local, sizes: readonly Local[], indices: readonly Local[]): void {
  for (let i = sizes.length - 1; i > 0; i--) {
    f.get(flat).get(sizes[i]).op("i32.rem_u").set(indices[i]);
    f.get(flat).get(sizes[i]).op("i32.div_u").set(flat);
  }
  if (sizes.length > 0) f.get(flat).set(indices[0]);
}

/** Bytes that a table of `count` entries takes, with room for the writes past its end. */
export function tableBytes(count: number): number {
  return 4 * count + 16;
}

/**
 * A function (block, batch, start, count, table) that writes the byte offsets of `access` along the axes `group`, for
 * flattened indices from `start`. With `batch` axes, the entries also hold the buffer's address, the origin of the index
 * and the part of the batch axes at flattened index `batch`; with null they are offsets only.
 * Writes whole vectors: up to 12 bytes past the end of the table.
 */
export function emitOffsets(
  module: ModuleBuilder,
  bufferCount: number,
  access: AffineAccess,
  group: readonly Axis[],
  batchAxes: readonly Axis[] | null,
): FunctionBuilder {
  const f = module.function(["i32", "i32", "i32", "i32", "i32"], []);
  const [block, batch, start, count, table] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
  f.get(count)
    .op("i32.eqz")
    .if(() => f.return());
  const parameters = new Parameters(f, block, bufferCount);
  const strideOf = (axis: Axis): Local => {
    const local = f.local("i32");
    const stride = access.strides.get(axis);
    if (stride === undefined) f.i32(0).set(local);
    else {
      parameters.push(stride);
      f.i32(access.bytes).op("i32.mul").set(local);
    }
    return local;
  };
  const value = f.local("i32");
  const addParts = (
    axes: readonly Axis[],
    sizes: readonly Local[],
    strides: readonly Local[],
    flat: Local,
  ): Local[] => {
    const indices = axes.map(() => f.local("i32"));
    emitDecode(f, flat, sizes, indices);
    for (const i of axes.keys()) f.get(value).get(indices[i]).get(strides[i]).op("i32.mul").op("i32.add").set(value);
    return indices;
  };

  if (batchAxes === null) f.i32(0).set(value);
  else {
    parameters.push(access.origin);
    f.i32(access.bytes).op("i32.mul").set(value);
    if (access.slot >= 0) {
      parameters.address(access.slot);
      f.get(value).op("i32.add").set(value);
    }
    // Axes along which nothing moves need no decoding, if they are the slowest ones.
    const axes = batchAxes.some((axis) => access.strides.has(axis)) ? batchAxes : [];
    addParts(
      axes,
      axes.map((axis) => parameters.local(axis.size)),
      axes.map(strideOf),
      batch,
    );
  }

  const sizes = group.map((axis) => parameters.local(axis.size));
  const strides = group.map(strideOf);
  const end = f.local("i32");
  f.get(table).get(count).i32(2).op("i32.shl").op("i32.add").set(end);
  const indices = addParts(group, sizes, strides, start);
  if (group.length === 0) {
    f.get(table).get(value).op("i32x4.splat").memory("v128.store", 0, 2);
    return f;
  }

  const last = group.length - 1;
  const size = sizes[last];
  const stride = strides[last];
  const vector = f.local("v128");
  const four = f.local("v128");
  const ramp = f.local("v128");
  const runEnd = f.local("i32");
  const run = f.local("i32");
  const at = f.local("i32");
  const lanes = new Int32Array([0, 1, 2, 3]);
  f.v128(new Uint8Array(lanes.buffer)).get(stride).op("i32x4.splat").op("i32x4.mul").set(ramp);
  f.get(stride).i32(4).op("i32.mul").op("i32x4.splat").set(four);
  f.block((done) => {
    f.loop((again) => {
      f.get(table).get(end).op("i32.ge_u").br_if(done);
      // One run along the innermost axis.
      f.get(size).get(indices[last]).op("i32.sub").set(run);
      f.get(table).get(run).i32(2).op("i32.shl").op("i32.add").set(runEnd);
      f.get(runEnd).get(end).get(runEnd).get(end).op("i32.lt_u").select().set(runEnd);
      f.get(value).op("i32x4.splat").get(ramp).op("i32x4.add").set(vector);
      f.get(table).set(at);
      f.loop((next) => {
        f.get(at).get(vector).memory("v128.store", 0, 2);
        f.get(vector).get(four).op("i32x4.add").set(vector);
        f.get(at).i32(16).op("i32.add").tee(at).get(runEnd).op("i32.lt_u").br_if(next);
      });
      f.get(runEnd).set(table);
      // Back to the start of the run's axis, one step along the axis before it, and so on outwards.
      f.get(value).get(indices[last]).get(stride).op("i32.mul").op("i32.sub").set(value);
      f.i32(0).set(indices[last]);
      for (let i = last - 1; i >= 0; i--) {
        f.get(value).get(strides[i]).op("i32.add").set(value);
        f.get(indices[i]).i32(1).op("i32.add").tee(indices[i]).get(sizes[i]).op("i32.lt_u").br_if(again);
        f.i32(0).set(indices[i]);
        f.get(value).get(sizes[i]).get(strides[i]).op("i32.mul").op("i32.sub").set(value);
      }
    });
  });
  return f;
}
