/**
 * Writes WebAssembly modules. Instructions carry their names of the text format, so that a generator reads like one:
 *
 * ```ts
 * const module = new ModuleBuilder();
 * module.importMemory("env", "memory");
 * const f = module.function(["i32", "i32"], ["i32"], "sum");
 * f.get(f.parameter(0)).get(f.parameter(1)).op("i32.add");
 * const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
 * ```
 *
 * Format: https://webassembly.github.io/spec/core/binary/index.html
 */
import {
  type LaneOp,
  laneOpcodes,
  type MemoryLaneOp,
  type MemoryOp,
  memoryLaneOpcodes,
  memoryOpcodes,
  type PlainOp,
  plainOpcodes,
} from "./opcodes.ts";

export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

const typeCodes: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
const EMPTY_BLOCK = 0x40;

const scratch = new DataView(new ArrayBuffer(8));
const encoder = new TextEncoder();

/** A growing run of bytes. A plain array: a function has many short runs, and typed arrays are slow to make. */
export class ByteWriter {
  private readonly data: number[] = [];

  get length(): number {
    return this.data.length;
  }
  u8(value: number): void {
    this.data.push(value);
  }
  bytes(values: ArrayLike<number>): void {
    for (let i = 0; i < values.length; i++) this.data.push(values[i]);
  }
  append(other: ByteWriter): void {
    this.bytes(other.data);
  }
  /** Unsigned LEB128 of a 32-bit number. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.data.push((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.data.push(rest);
  }
  /** Signed LEB128 of a 32-bit number. */
  s32(value: number): void {
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.data.push((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.data.push(rest & 0x7f);
  }
  /** Signed LEB128 of a 64-bit number. */
  s64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    while (rest < -64n || rest > 63n) {
      this.data.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.data.push(Number(rest & 0x7fn));
  }
  f32(value: number): void {
    scratch.setFloat32(0, value, true);
    for (let i = 0; i < 4; i++) this.data.push(scratch.getUint8(i));
  }
  f64(value: number): void {
    scratch.setFloat64(0, value, true);
    for (let i = 0; i < 8; i++) this.data.push(scratch.getUint8(i));
  }
  name(text: string): void {
    const encoded = encoder.encode(text);
    this.u32(encoded.length);
    this.bytes(encoded);
  }
  /** Overwrites the bytes from `at` on. */
  patch(at: number, values: readonly number[]): void {
    for (let i = 0; i < values.length; i++) this.data[at + i] = values[i];
  }
  toUint8Array(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.data);
  }
}

/** A local variable or parameter of a function. */
export class Local {
  readonly index: number;
  readonly type: ValueType;
  constructor(index: number, type: ValueType) {
    this.index = index;
    this.type = type;
  }
}

/** A function that can be called: an import, or one being built. */
export interface Callable {
  /** Position among the imports, or among the module's own functions. */
  readonly position: number;
  readonly imported: boolean;
}

/** A branch target: the end of a block, or the start of a loop. */
export class Label {
  readonly depth: number;
  constructor(depth: number) {
    this.depth = depth;
  }
}

/** A place in a function's code where more can be inserted later: the code of `at(section, …)` goes there. */
export class CodeSection {
  readonly parts: (ByteWriter | CodeSection)[] = [new ByteWriter()];
  readonly depth: number;
  constructor(depth: number) {
    this.depth = depth;
  }
  get tail(): ByteWriter {
    return this.parts[this.parts.length - 1] as ByteWriter;
  }
  get length(): number {
    return this.parts.reduce((sum, part) => sum + part.length, 0);
  }
  write(out: ByteWriter): void {
    for (const part of this.parts) {
      if (part instanceof CodeSection) part.write(out);
      else out.append(part);
    }
  }
}

/** The body of one function. Every method appends an instruction and returns the builder. */
export class FunctionBuilder implements Callable {
  readonly position: number;
  readonly imported = false;
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  private readonly module: ModuleBuilder;
  private readonly body = new CodeSection(0);
  private section = this.body;
  private code = this.body.tail;
  private readonly locals: ValueType[] = [];
  private readonly free = new Map<ValueType, Local[]>();
  private depth = 0;

  constructor(module: ModuleBuilder, position: number, params: readonly ValueType[], results: readonly ValueType[]) {
    this.module = module;
    this.position = position;
    this.params = params;
    this.results = results;
  }

  parameter(i: number): Local {
    return new Local(i, this.params[i]);
  }
  /** A new local variable; zero at the start of the function, whatever was there before where `release` gave it back. */
  local(type: ValueType): Local {
    const reused = this.free.get(type)?.pop();
    if (reused) return reused;
    this.locals.push(type);
    return new Local(this.params.length + this.locals.length - 1, type);
  }
  /** Lets a later `local` use this variable again. */
  release(...locals: Local[]): void {
    for (const local of locals) {
      const list = this.free.get(local.type);
      if (list) list.push(local);
      else this.free.set(local.type, [local]);
    }
  }

  /**
   * Marks this place, so that code found necessary later can still be put here. It may set locals but must leave the
   * stack as it is.
   */
  insertion(): CodeSection {
    const inserted = new CodeSection(this.depth);
    this.section.parts.push(inserted, new ByteWriter());
    this.code = this.section.tail;
    return inserted;
  }
  /** Runs `emit` with its instructions going to the end of `section`. */
  at(section: CodeSection, emit: () => void): void {
    const { section: savedSection, depth: savedDepth } = this;
    this.section = section;
    this.code = section.tail;
    this.depth = section.depth;
    emit();
    this.section = savedSection;
    this.code = savedSection.tail;
    this.depth = savedDepth;
  }

  get(local: Local): this {
    this.code.u8(0x20);
    this.code.u32(local.index);
    return this;
  }
  /** Pushes an imported constant. */
  global(index: number): this {
    this.code.u8(0x23);
    this.code.u32(index);
    return this;
  }
  set(local: Local): this {
    this.code.u8(0x21);
    this.code.u32(local.index);
    return this;
  }
  tee(local: Local): this {
    this.code.u8(0x22);
    this.code.u32(local.index);
    return this;
  }

  /** An instruction without immediates. */
  op(name: PlainOp): this {
    this.opcode(plainOpcodes[name]);
    return this;
  }
  private opcode(code: number): void {
    if (code < 0x100) this.code.u8(code);
    else {
      this.code.u8(code >>> 16);
      this.code.u32(code & 0xffff);
    }
  }
  /**
   * A load or store at the address on the stack plus `offset` bytes. `align` is the promised alignment as a power of
   * two; it is only a hint.
   */
  memory(name: MemoryOp, offset = 0, align?: number): this {
    const [code, natural] = memoryOpcodes[name];
    this.opcode(code);
    this.code.u32(align ?? natural);
    this.code.u32(offset);
    return this;
  }
  /** A load or store of one lane. */
  memoryLane(name: MemoryLaneOp, lane: number, offset = 0): this {
    const [code, natural] = memoryLaneOpcodes[name];
    this.opcode(code);
    this.code.u32(natural);
    this.code.u32(offset);
    this.code.u8(lane);
    return this;
  }
  lane(name: LaneOp, lane: number): this {
    this.opcode(laneOpcodes[name]);
    this.code.u8(lane);
    return this;
  }
  /** i8x16.shuffle: 16 byte positions in the concatenation of the two operands. */
  shuffle(lanes: readonly number[]): this {
    this.opcode(0xfd000d);
    this.code.bytes(lanes);
    return this;
  }

  i32(value: number): this {
    this.code.u8(0x41);
    this.code.s32(value);
    return this;
  }
  i64(value: bigint | number): this {
    this.code.u8(0x42);
    this.code.s64(BigInt(value));
    return this;
  }
  f32(value: number): this {
    this.code.u8(0x43);
    this.code.f32(value);
    return this;
  }
  f64(value: number): this {
    this.code.u8(0x44);
    this.code.f64(value);
    return this;
  }
  /** A constant of 16 bytes. */
  v128(bytes: ArrayLike<number>): this {
    this.opcode(0xfd000c);
    this.code.bytes(bytes);
    return this;
  }

  private structure(code: number, result: ValueType | undefined, body: (label: Label) => void): void {
    this.code.u8(code);
    this.code.u8(result === undefined ? EMPTY_BLOCK : typeCodes[result]);
    this.depth++;
    body(new Label(this.depth));
  }
  private end(): this {
    this.depth--;
    this.code.u8(0x0b);
    return this;
  }
  /** `br(label)` leaves the block. */
  block(body: (label: Label) => void, result?: ValueType): this {
    this.structure(0x02, result, body);
    return this.end();
  }
  /** `br(label)` starts the next iteration. */
  loop(body: (label: Label) => void, result?: ValueType): this {
    this.structure(0x03, result, body);
    return this.end();
  }
  /** Takes an i32 from the stack. `br(label)` leaves the branch. */
  if(then: (label: Label) => void, otherwise?: (label: Label) => void, result?: ValueType): this {
    this.structure(0x04, result, then);
    if (otherwise) {
      this.code.u8(0x05);
      otherwise(new Label(this.depth));
    }
    return this.end();
  }
  br(label: Label): this {
    this.code.u8(0x0c);
    this.code.u32(this.depth - label.depth);
    return this;
  }
  br_if(label: Label): this {
    this.code.u8(0x0d);
    this.code.u32(this.depth - label.depth);
    return this;
  }
  br_table(labels: readonly Label[], otherwise: Label): this {
    this.code.u8(0x0e);
    this.code.u32(labels.length);
    for (const label of labels) this.code.u32(this.depth - label.depth);
    this.code.u32(this.depth - otherwise.depth);
    return this;
  }
  return(): this {
    this.code.u8(0x0f);
    return this;
  }
  unreachable(): this {
    this.code.u8(0x00);
    return this;
  }
  call(target: Callable): this {
    this.code.u8(0x10);
    // Padded to 5 bytes: own functions are numbered after the imports, whose number is known at the end.
    this.module.noteCall(this.code, this.code.length, target);
    this.code.bytes([0x80, 0x80, 0x80, 0x80, 0x00]);
    return this;
  }
  drop(): this {
    this.code.u8(0x1a);
    return this;
  }
  select(): this {
    this.code.u8(0x1b);
    return this;
  }
  /** Pushes the size of the memory in pages of 64 KiB. */
  memory_size(): this {
    this.code.bytes([0x3f, 0]);
    return this;
  }
  /** Stack: destination, source, byte count. */
  memory_copy(): this {
    this.code.bytes([0xfc, 10, 0, 0]);
    return this;
  }
  /** Stack: destination, byte value, byte count. */
  memory_fill(): this {
    this.code.bytes([0xfc, 11, 0]);
    return this;
  }

  /** The function's entry in the code section. */
  write(out: ByteWriter): void {
    const head = new ByteWriter();
    const runs: [number, ValueType][] = [];
    for (const type of this.locals) {
      const last = runs[runs.length - 1];
      if (last && last[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    head.u32(runs.length);
    for (const [count, type] of runs) {
      head.u32(count);
      head.u8(typeCodes[type]);
    }
    out.u32(head.length + this.body.length + 1);
    out.append(head);
    this.body.write(out);
    out.u8(0x0b);
  }
}

interface ImportedFunction extends Callable {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}

/** Limits of an imported memory, in pages of 64 KiB. A shared memory needs a maximum. */
export interface MemoryLimits {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly shared?: boolean;
}

/** A module: imports, functions, exports. */
export class ModuleBuilder {
  private readonly types: string[] = [];
  private readonly signatures: [readonly ValueType[], readonly ValueType[]][] = [];
  private readonly imports: ImportedFunction[] = [];
  private readonly globals: { readonly module: string; readonly name: string; readonly type: ValueType }[] = [];
  private memory: { module: string; name: string; limits: MemoryLimits } | undefined;
  private readonly functions: { builder: FunctionBuilder; type: number; exported: string | undefined }[] = [];
  private readonly calls: { code: ByteWriter; at: number; target: Callable }[] = [];

  private type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}:${results.join()}`;
    const known = this.types.indexOf(key);
    if (known >= 0) return known;
    this.signatures.push([params, results]);
    return this.types.push(key) - 1;
  }

  importMemory(module: string, name: string, limits: MemoryLimits = {}): void {
    this.memory = { module, name, limits };
  }
  /** An imported constant; `f.global(it)` pushes it. */
  importGlobal(module: string, name: string, type: ValueType): number {
    return this.globals.push({ module, name, type }) - 1;
  }
  importFunction(module: string, name: string, params: readonly ValueType[], results: readonly ValueType[]): Callable {
    const entry = { module, name, type: this.type(params, results), position: this.imports.length, imported: true };
    this.imports.push(entry);
    return entry;
  }
  /** Starts a function; under `exported` it is visible outside. */
  function(params: readonly ValueType[], results: readonly ValueType[], exported?: string): FunctionBuilder {
    const builder = new FunctionBuilder(this, this.functions.length, params, results);
    this.functions.push({ builder, type: this.type(params, results), exported });
    return builder;
  }
  /** For FunctionBuilder: the call at byte `at` of `code` goes to `target`. */
  noteCall(code: ByteWriter, at: number, target: Callable): void {
    this.calls.push({ code, at, target });
  }
  private index(target: Callable): number {
    return target.imported ? target.position : this.imports.length + target.position;
  }

  /** The finished module. */
  bytes(): Uint8Array<ArrayBuffer> {
    for (const { code, at, target } of this.calls) {
      const index = this.index(target);
      code.patch(
        at,
        [0, 1, 2, 3, 4].map((i) => ((index >>> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0)),
      );
    }
    const out = new ByteWriter();
    out.bytes([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = (id: number, count: number, write: (section: ByteWriter) => void): void => {
      if (count === 0) return;
      const content = new ByteWriter();
      content.u32(count);
      write(content);
      out.u8(id);
      out.u32(content.length);
      out.append(content);
    };
    section(1, this.signatures.length, (s) => {
      for (const [params, results] of this.signatures) {
        s.u8(0x60);
        for (const list of [params, results]) {
          s.u32(list.length);
          for (const type of list) s.u8(typeCodes[type]);
        }
      }
    });
    const memory = this.memory;
    section(2, this.imports.length + this.globals.length + (memory ? 1 : 0), (s) => {
      for (const { module, name, type } of this.globals) {
        s.name(module);
        s.name(name);
        s.u8(0x03);
        s.u8(typeCodes[type]);
        s.u8(0x00);
      }
      for (const { module, name, type } of this.imports) {
        s.name(module);
        s.name(name);
        s.u8(0x00);
        s.u32(type);
      }
      if (memory) {
        const { minimum = 0, maximum, shared } = memory.limits;
        s.name(memory.module);
        s.name(memory.name);
        s.u8(0x02);
        s.u8((maximum === undefined ? 0 : 1) | (shared ? 2 : 0));
        s.u32(minimum);
        if (maximum !== undefined) s.u32(maximum);
      }
    });
    section(3, this.functions.length, (s) => {
      for (const { type } of this.functions) s.u32(type);
    });
    const exported = this.functions.filter((f) => f.exported !== undefined);
    section(7, exported.length, (s) => {
      for (const { builder, exported: name } of exported) {
        s.name(name as string);
        s.u8(0x00);
        s.u32(this.index(builder));
      }
    });
    section(10, this.functions.length, (s) => {
      for (const { builder } of this.functions) builder.write(s);
    });
    return out.toUint8Array();
  }
}
