/**
 * Emits the values of expressions for several consecutive indices of one axis at a time. The unit is a *copy*: four
 * indices, in one v128 (f32, i32, masks) or two (f64, i64) called parts; a loop body may hold several copies. A bool is
 * a mask of all ones or zeros in each lane, as wide as the values whose comparison gave it. An operation without a
 * vector instruction is done lane by lane, so every expression has a vector form.
 */
import type { ComputeType, Expr } from "../../ir/expr.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import { type RawElement, rawElements } from "./elements.ts";
import { Emitter } from "./emitter.ts";
import type { PlainOp } from "./opcodes.ts";
import { constantOperand, scalarOperation, valueType } from "./scalar.ts";

/** Indices in a copy. */
export const LANES = 4;

const compareOps = new Set(["eq", "ne", "lt", "le", "gt", "ge"]);

/** How many v128 a copy of `e` takes; for a bool, of the mask as it is computed. */
export function parts(e: Expr): 1 | 2 {
  if (e.type === "f64" || e.type === "i64") return 2;
  if (e.type !== "bool") return 1;
  if (compareOps.has(e.op)) return e.args[0].type === "bool" ? 1 : parts(e.args[0]);
  if (e.op === "and" || e.op === "or" || e.op === "xor" || e.op === "not")
    return e.args.every((a) => parts(a) === 2) ? 2 : 1;
  return 1;
}

type Shape = "i32x4" | "i64x2" | "f32x4" | "f64x2";
export const shapes: Record<ComputeType, Shape> = {
  bool: "i32x4",
  i32: "i32x4",
  i64: "i64x2",
  f32: "f32x4",
  f64: "f64x2",
};

/** Operations that are one instruction under the same name in all shapes that have them. */
const direct = new Set([
  "i32 add",
  "i32 sub",
  "i32 mul",
  "i32 abs",
  "i32 neg",
  "i64 add",
  "i64 sub",
  "i64 mul",
  "i64 abs",
  "i64 neg",
  ...["f32", "f64"].flatMap((t) =>
    ["add", "sub", "mul", "div", "min", "max", "abs", "sqrt", "floor", "ceil", "trunc", "nearest"].map(
      (o) => `${t} ${o}`,
    ),
  ),
]);

/** Whether the operation of `e` is done lane by lane. `uniform` tells whether an operand is the same in all lanes. */
export function isLanewise(e: Expr, uniform: (e: Expr) => boolean): boolean {
  const from = e.args[0]?.type;
  switch (e.op) {
    case "host":
      return true;
    case "rem":
      return true;
    case "div":
      return !e.isFloat;
    case "shl":
    case "shr":
    case "shru":
      return !uniform(e.args[1]);
    case "cast":
      return (e.type === "i64" && (from === "f32" || from === "f64")) || (from === "i64" && e.isFloat);
    default:
      return false;
  }
}

/** Byte positions for a shuffle from positions of lanes of `size` bytes. */
function lanes(size: number, ...positions: number[]): number[] {
  return positions.flatMap((p) => Array.from({ length: size }, (_, i) => p * size + i));
}
const UNPACK_LOW_32 = lanes(4, 0, 4, 1, 5);
const UNPACK_HIGH_32 = lanes(4, 2, 6, 3, 7);
const EVEN_32 = lanes(4, 0, 2, 4, 6);
const LOW_64 = lanes(8, 0, 2);
const HIGH_64 = lanes(8, 1, 3);
const WIDEN_MASK = [lanes(4, 0, 0, 1, 1), lanes(4, 2, 2, 3, 3)];

export class VectorEmitter extends Emitter {
  /** The axis along which code is vectorized; -1 for scalar code. */
  vectorAxis = -1;
  private readonly constants = new Map<string, Local>();

  /** Whether `e` is the same for all indices of a copy. */
  uniform(e: Expr): boolean {
    return this.vectorAxis < 0 || (this.graph.deps(e) & (1 << this.vectorAxis)) === 0;
  }

  /** A constant vector. V8 makes a v128.const anew wherever it stands, so it stands at the function's start. */
  private constantVector(key: string, bytes: () => ArrayLike<number>): Local {
    let local = this.constants.get(key);
    if (!local) {
      local = this.f.local("v128");
      this.constants.set(key, local);
      const target = local;
      this.inScope(0, () => this.f.v128(bytes()).set(target));
    }
    return local;
  }
  /** A constant in all lanes. */
  splatConstant(type: ComputeType, value: number | bigint): Local {
    const wide = type === "i64" || type === "f64";
    return this.constantVector(`${type} ${Object.is(value, -0) ? "-0" : value}`, () => {
      const bytes = new Uint8Array(16);
      const view = new DataView(bytes.buffer);
      for (let i = 0; i < 16; i += wide ? 8 : 4) {
        if (type === "f32") view.setFloat32(i, Number(value), true);
        else if (type === "f64") view.setFloat64(i, Number(value), true);
        else if (type === "i64") view.setBigInt64(i, BigInt(value), true);
        else view.setInt32(i, type === "bool" ? -Number(value) : Number(value), true);
      }
      return bytes;
    });
  }
  iota(start: number): Local {
    return this.constantVector(
      `iota ${start}`,
      () => new Uint8Array(Int32Array.from([0, 1, 2, 3], (i) => start + i).buffer),
    );
  }
  zero(): Local {
    return this.splatConstant("i32", 0);
  }

  /** Pushes part `part` of copy `u` of an interned expression. */
  vector(e: Expr, u: number, part: number): void {
    if (this.uniform(e)) {
      this.splat(e);
      return;
    }
    const known = this.scopes[this.level(e)].vectors.get(e)?.[2 * u + part];
    if (known) this.f.get(known);
    else if (this.level(e) < this.current || this.graph.refs(e) > 1) this.f.get(this.vectorLocal(e, u, part));
    else this.emitVector(e, u, part);
  }
  /** A local that holds that part. */
  vectorLocal(e: Expr, u: number, part: number): Local {
    if (this.uniform(e)) return this.splatLocal(e);
    const s = this.level(e);
    const scope = this.scopes[s];
    let known = scope.vectors.get(e);
    if (!known) scope.vectors.set(e, (known = []));
    let local = known[2 * u + part];
    if (!local) {
      local = this.f.local("v128");
      const target = local;
      this.inScope(s, () => {
        this.emitVector(e, u, part);
        this.f.set(target);
      });
      known[2 * u + part] = local;
    }
    return local;
  }
  /** Declares that `locals[2 * u + part]` hold the value of `e`. */
  bindVectors(e: Expr, locals: Local[]): void {
    this.scopes[this.level(e)].vectors.set(e, locals);
  }
  private splat(e: Expr): void {
    const s = this.level(e);
    const known = this.scopes[s].splats.get(e);
    if (known) this.f.get(known);
    else if (e.isConst || s < this.current || this.graph.refs(e) > 1) this.f.get(this.splatLocal(e));
    else this.emitSplat(e);
  }
  private splatLocal(e: Expr): Local {
    if (e.isConst) return this.splatConstant(e.type, e.value as number | bigint);
    const s = this.level(e);
    const known = this.scopes[s].splats.get(e);
    if (known) return known;
    const local = this.f.local("v128");
    this.inScope(s, () => {
      this.emitSplat(e);
      this.f.set(local);
    });
    this.scopes[s].splats.set(e, local);
    return local;
  }
  private emitSplat(e: Expr): void {
    if (e.op === "load" && e.args.length === 1 && this.graph.refs(e) === 1) {
      const raw = rawElements[this.buffers[e.slot].dtype];
      if (raw.size >= 4) {
        const op = raw.size === 4 ? "v128.load32_splat" : "v128.load64_splat";
        this.f.get(this.pointer(e.slot, e.args[0])).memory(op, this.byteOffset(e.slot, e.args[0]));
        return;
      }
    }
    if (e.type === "bool") {
      this.f.i32(0);
      this.scalar(e);
      this.f.op("i32.sub");
    } else this.scalar(e);
    this.f.op(`${shapes[e.type]}.splat`);
  }

  /** Pushes part `part` of a bool as a mask for values that take `width` parts. */
  mask(e: Expr, u: number, part: number, width: 1 | 2): void {
    if (this.uniform(e) || parts(e) === width) this.vector(e, u, part);
    else if (width === 1) {
      this.vector(e, u, 0);
      this.vector(e, u, 1);
      this.f.shuffle(EVEN_32);
    } else {
      // A swizzle: revectorization has miscompiled shuffles of a single source.
      this.f.get(this.vectorLocal(e, u, 0)).get(this.constantVector(`widen ${part}`, () => WIDEN_MASK[part]));
      this.f.op("i8x16.swizzle");
    }
  }
  /** Pushes a value, where a bool is a mask for `width` parts. */
  private operand(e: Expr, u: number, part: number, width: 1 | 2): void {
    if (e.type === "bool") this.mask(e, u, part, width);
    else this.vector(e, u, part);
  }

  private emitVector(e: Expr, u: number, part: number): void {
    const { f } = this;
    const shape = shapes[e.type];
    const [a, b, c] = e.args;
    const width = parts(e);
    if (e.op === "index") {
      f.get(this.indices[this.vectorAxis]).op("i32x4.splat");
      f.get(this.iota(LANES * u)).op("i32x4.add");
      return;
    }
    if (e.op === "load") {
      this.loadVector(e, u, part);
      return;
    }
    if (isLanewise(e, (x) => this.uniform(x))) {
      this.lanewise(e, u, part);
      return;
    }
    const push = (x: Expr): void => this.operand(x, u, part, width);
    const both = (): void => {
      push(a);
      push(b);
    };
    if ((e.op === "min" || e.op === "max") && e.isFloat) {
      const fixed = constantOperand(e);
      if (fixed !== undefined) {
        // x < c ? c : x, which keeps NaN.
        push(e.args[1 - fixed]);
        push(e.args[fixed]);
        f.op(`${shape as "f32x4"}.p${e.op}`);
        return;
      }
    }
    if (direct.has(`${e.type} ${e.op}`)) {
      for (const x of e.args) push(x);
      f.op(`${shape}.${e.op}` as PlainOp);
      return;
    }
    switch (e.op) {
      case "neg":
        // Not f64x2.neg, which revectorization has miscompiled.
        push(a);
        f.get(this.splatConstant(e.type, -0)).op("v128.xor");
        return;
      case "min":
      case "max":
        if (e.type === "i32") {
          both();
          f.op(`i32x4.${e.op}_s`);
        } else {
          const x = this.vectorLocal(a, u, part);
          const y = this.vectorLocal(b, u, part);
          f.get(x).get(y).get(x).get(y);
          f.op(e.op === "min" ? "i64x2.lt_s" : "i64x2.gt_s").op("v128.bitselect");
        }
        return;
      case "and":
      case "or":
      case "xor":
        both();
        f.op(`v128.${e.op}`);
        return;
      case "not":
        push(a);
        f.op("v128.not");
        return;
      case "shl":
      case "shr":
      case "shru":
        push(a);
        this.scalar(b);
        if (e.type === "i64") f.op("i32.wrap_i64");
        f.op(`${shape as "i32x4"}.${e.op === "shl" ? "shl" : e.op === "shr" ? "shr_s" : "shr_u"}`);
        return;
      case "eq":
      case "ne":
      case "lt":
      case "le":
      case "gt":
      case "ge":
        this.compare(e, u, part);
        return;
      case "fma":
        if (e.isFloat && this.features.relaxed) {
          for (const x of e.args) push(x);
          f.op(`${shape as "f32x4"}.relaxed_madd`);
        } else {
          both();
          f.op(`${shape}.mul`);
          push(c);
          f.op(`${shape}.add`);
        }
        return;
      case "select":
        push(b);
        push(c);
        this.mask(a, u, part, width);
        f.op(
          this.features.relaxed
            ? width === 1
              ? "i32x4.relaxed_laneselect"
              : "i64x2.relaxed_laneselect"
            : "v128.bitselect",
        );
        return;
      case "bitcast":
        push(a);
        return;
      case "cast":
        this.cast(e, u, part);
        return;
      default:
        throw new Error(`IR: ${e.op} of ${e.type} in a vector`);
    }
  }

  private compare(e: Expr, u: number, part: number): void {
    const { f } = this;
    const [a, b] = e.args;
    const { type } = a;
    if (type !== "bool") {
      this.vector(a, u, part);
      this.vector(b, u, part);
      const suffix = type === "f32" || type === "f64" || e.op === "eq" || e.op === "ne" ? "" : "_s";
      f.op(`${shapes[type]}.${e.op}${suffix}` as PlainOp);
      return;
    }
    // On masks a < b is b & ~a.
    const swapped = e.op === "lt" || e.op === "ge";
    this.mask(swapped ? b : a, u, part, 1);
    this.mask(swapped ? a : b, u, part, 1);
    f.op(e.op === "eq" || e.op === "ne" ? "v128.xor" : "v128.andnot");
    if (e.op === "eq" || e.op === "le" || e.op === "ge") f.op("v128.not");
  }

  private cast(e: Expr, u: number, part: number): void {
    const { f } = this;
    const [a] = e.args;
    const to = e.type;
    /** The part's two lanes of a 32-bit vector, moved to the low half. */
    const half = (): void => {
      this.vector(a, u, 0);
      if (part === 1) f.get(this.zero()).shuffle(HIGH_64);
    };
    switch (`${a.type} ${to}`) {
      case "bool i32":
      case "bool i64":
      case "bool f32":
      case "bool f64":
        this.mask(a, u, part, parts(e));
        f.get(this.splatConstant(to, 1)).op("v128.and");
        return;
      case "i32 f32":
        this.vector(a, u, 0);
        f.op("f32x4.convert_i32x4_s");
        return;
      case "f32 i32":
        this.vector(a, u, 0);
        f.op("i32x4.trunc_sat_f32x4_s");
        return;
      case "i32 f64":
        half();
        f.op("f64x2.convert_low_i32x4_s");
        return;
      case "f32 f64":
        half();
        f.op("f64x2.promote_low_f32x4");
        return;
      case "i32 i64": {
        const x = this.vectorLocal(a, u, 0);
        f.get(x).get(x).i32(31).op("i32x4.shr_s");
        f.shuffle(part === 0 ? UNPACK_LOW_32 : UNPACK_HIGH_32);
        return;
      }
      case "i64 i32":
        this.vector(a, u, 0);
        this.vector(a, u, 1);
        f.shuffle(EVEN_32);
        return;
      case "f64 f32":
      case "f64 i32": {
        const op = to === "f32" ? "f32x4.demote_f64x2_zero" : "i32x4.trunc_sat_f64x2_s_zero";
        this.vector(a, u, 0);
        f.op(op);
        this.vector(a, u, 1);
        f.op(op).shuffle(LOW_64);
        return;
      }
      default:
        throw new Error(`IR: cast of ${a.type} to ${to} in a vector`);
    }
  }

  /** Where lane `lane` of a copy lies: its part and the lane in it. */
  private place(e: Expr, lane: number): [part: number, lane: number] {
    return parts(e) === 2 ? [lane >> 1, lane & 1] : [0, lane];
  }
  /** Calls `push` for each lane of a part, and puts the scalars it leaves together. */
  private assemble(e: Expr, part: number, push: (lane: number) => void): void {
    const shape = shapes[e.type];
    const count = parts(e) === 2 ? 2 : 4;
    for (let i = 0; i < count; i++) {
      push(count === 2 ? 2 * part + i : i);
      if (i === 0) this.f.op(`${shape}.splat`);
      else this.f.lane(`${shape}.replace_lane`, i);
    }
  }
  private lanewise(e: Expr, u: number, part: number): void {
    const { f } = this;
    this.assemble(e, part, (lane) => {
      const temporaries: Local[] = [];
      const push = (i: number): void => {
        const a = e.args[i];
        if (this.uniform(a)) this.scalar(a);
        else {
          const [p, l] = this.place(a, lane);
          f.get(this.vectorLocal(a, u, p)).lane(`${shapes[a.type]}.extract_lane`, l);
        }
      };
      scalarOperation(this, e, {
        push,
        local: (i) => {
          const local = this.temporary(valueType(e.args[i].type));
          temporaries.push(local);
          push(i);
          f.set(local);
          return local;
        },
      });
      this.free(...temporaries);
    });
  }

  private loadVector(e: Expr, u: number, part: number): void {
    const { f } = this;
    const raw = rawElements[this.buffers[e.slot].dtype];
    const [index, mask] = e.args;
    const address = this.lanePointer(e.slot, index, u);
    const whole = (): void => this.contiguousLoad(f, raw, address, u, part);
    if (!mask && address.everySecond && raw.size === 4) {
      // Elements 0 to 3 and 3 to 6: nothing is read beyond what is asked for.
      const first = address.start + 2 * LANES * u * raw.size;
      f.get(address.pointer).memory("v128.load", first);
      f.get(address.pointer)
        .memory("v128.load", first + 3 * raw.size)
        .shuffle(lanes(4, 0, 2, 5, 7));
      return;
    }
    const lane = (i: number): void => {
      address.push(i);
      f.memory(raw.load, address.offset(i));
    };
    if (!mask) {
      if (address.contiguous) whole();
      else this.assemble(e, part, lane);
      return;
    }
    if (this.uniform(mask)) {
      this.scalar(mask);
      f.if(
        () => (address.contiguous ? whole() : this.assemble(e, part, lane)),
        () => f.get(this.zero()),
        "v128",
      );
      return;
    }
    // Bit i tells whether index i of the copy is loaded.
    const bits = this.temporary("i32");
    const result = this.temporary("v128");
    this.mask(mask, u, 0, 1);
    f.op("i32x4.bitmask").set(bits);
    const each = (): void => {
      f.get(this.zero()).set(result);
      const count = parts(e) === 2 ? 2 : 4;
      for (let i = 0; i < count; i++) {
        const index = count === 2 ? 2 * part + i : i;
        f.get(bits)
          .i32(1 << index)
          .op("i32.and");
        f.if(() => {
          f.get(result);
          lane(index);
          f.lane(`${shapes[e.type]}.replace_lane`, i).set(result);
        });
      }
    };
    if (address.contiguous) {
      f.get(bits).i32(15).op("i32.eq");
      f.if(() => {
        whole();
        f.set(result);
      }, each);
    } else each();
    f.get(result);
    this.free(bits, result);
  }

  /** The addresses of the four elements of copy `u`; `start` belongs to `pointer`. Call it outside of conditional code. */
  private lanePointer(slot: number, index: Expr, u: number) {
    const { f, graph } = this;
    const { size } = rawElements[this.buffers[slot].dtype];
    const linear = graph.linear(index);
    if (this.uniform(linear.rest)) {
      const coefficient = linear.coefficients[this.vectorAxis];
      const pointer = this.pointer(slot, index);
      const stride = coefficient.mul(size);
      const fixed = coefficient.isConst && Number(coefficient.value) >= 0 && Number(coefficient.value) < 1024;
      const step = (i: number): Expr => graph.intern(stride.mul(LANES * u + i));
      const start = this.byteOffset(slot, index);
      return {
        start,
        contiguous: coefficient.is(1),
        everySecond: coefficient.is(2),
        pointer,
        push: (i: number): void => {
          f.get(pointer);
          if (fixed || LANES * u + i === 0) return;
          f.get(this.scalarLocal(step(i))).op("i32.add");
        },
        offset: (i: number): number => start + (fixed ? Number(step(i).value) : 0),
      };
    }
    const base = this.baseLocal(slot);
    const positions = this.vectorLocal(index, u, 0);
    return {
      start: 0,
      contiguous: false,
      everySecond: false,
      pointer: base,
      push: (i: number): void => {
        f.get(positions).lane("i32x4.extract_lane", i);
        if (size > 1) f.i32(Math.log2(size)).op("i32.shl");
        f.get(base).op("i32.add");
      },
      offset: (): number => 0,
    };
  }

  private contiguousLoad(
    f: FunctionBuilder,
    raw: RawElement,
    { pointer, start }: { readonly pointer: Local; readonly start: number },
    u: number,
    part: number,
  ): void {
    f.get(pointer);
    const offset = start + (LANES * u + 2 * part) * raw.size;
    const sign = raw.signed ? "s" : "u";
    if (raw.size >= 4) f.memory("v128.load", offset);
    else if (raw.size === 2) f.memory(`v128.load16x4_${sign}`, offset);
    else f.memory("v128.load32_zero", offset).op(`i16x8.extend_low_i8x16_${sign}`).op(`i32x4.extend_low_i16x8_${sign}`);
  }

  /** Computes an interned value for `copies` copies; the locals are at [2 * u + part]. */
  vectorLocals(e: Expr, copies: number): Local[] {
    const result: Local[] = [];
    for (let u = 0; u < copies; u++) for (let p = 0; p < parts(e); p++) result[2 * u + p] = this.vectorLocal(e, u, p);
    return result;
  }

  /** Stores encoded values, at [2 * u + part], to an interned index. The upper half goes first, see `row.ts`. */
  vectorStore(slot: number, index: Expr, type: ComputeType, values: readonly Local[], copies: number): void {
    const { f } = this;
    const raw = rawElements[this.buffers[slot].dtype];
    const wide = raw.size === 8;
    for (let u = copies - 1; u >= 0; u--) {
      const address = this.lanePointer(slot, index, u);
      if (!address.contiguous) {
        for (let lane = 0; lane < LANES; lane++) {
          address.push(lane);
          f.get(values[2 * u + (wide ? lane >> 1 : 0)]);
          f.lane(`${shapes[type]}.extract_lane`, wide ? lane & 1 : lane).memory(raw.store, address.offset(lane));
        }
      } else if (raw.size >= 4) {
        for (let part = wide ? 1 : 0; part >= 0; part--) {
          f.get(address.pointer)
            .get(values[2 * u + part])
            .memory("v128.store", address.start + (LANES * u + 2 * part) * raw.size);
        }
      } else if (raw.size === 1 && u % 4 === 3) {
        f.get(address.pointer);
        for (const v of [u - 3, u - 2, u - 1, u]) {
          f.get(values[2 * v])
            .get(this.splatConstant("i32", 255))
            .op("v128.and");
          if ((u - v) % 2 === 0) f.op("i16x8.narrow_i32x4_u");
        }
        f.op("i8x16.narrow_i16x8_u").memory("v128.store", address.start + LANES * (u - 3));
        u -= 3;
      } else if (raw.size === 2 && u % 2 === 1) {
        f.get(address.pointer)
          .get(values[2 * u - 2])
          .get(values[2 * u]);
        f.shuffle(lanes(2, 0, 2, 4, 6, 8, 10, 12, 14)).memory("v128.store", address.start + LANES * (u - 1) * 2);
        u -= 1;
      } else if (raw.size === 2) {
        const v = values[2 * u];
        f.get(address.pointer)
          .get(v)
          .get(v)
          .shuffle(lanes(2, 0, 2, 4, 6, 0, 2, 4, 6));
        f.memoryLane("v128.store64_lane", 0, address.start + LANES * u * 2);
      } else {
        const v = values[2 * u];
        f.get(address.pointer).get(v).get(v).shuffle([0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12]);
        f.memoryLane("v128.store32_lane", 0, address.start + LANES * u);
      }
    }
  }

  /** Computes `roots` for all copies, one operation after another, each for all copies before the next. */
  inLockstep(roots: readonly Expr[], copies: number): void {
    const seen = new Set<Expr>();
    const visit = (e: Expr): void => {
      if (seen.has(e) || e.op === "index" || this.uniform(e)) return;
      seen.add(e);
      // The index of a load is an address, not a value.
      if (e.op !== "load") for (const a of e.args) visit(a);
      if (this.level(e) === this.current) this.vectorLocals(e, copies);
    };
    for (const root of roots) visit(root);
  }

  /** Loads everything that `roots` load in the current scope, so that loads precede stores. */
  loadFirst(roots: readonly Expr[], copies: number): void {
    const seen = new Set<Expr>();
    const visit = (e: Expr): void => {
      if (seen.has(e) || (e.op !== "load" && e.args.length === 0)) return;
      seen.add(e);
      for (const a of e.args) visit(a);
      if (e.op !== "load" || this.level(e) < this.current) return;
      if (this.vectorAxis < 0 || this.uniform(e)) this.scalarLocal(e);
      else this.vectorLocals(e, copies);
    };
    for (const root of roots) visit(root);
  }
}
