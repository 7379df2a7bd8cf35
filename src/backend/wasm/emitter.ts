/**
 * Emits the values of expressions inside nested loops. Code for a value goes to the outermost loop in which everything
 * it depends on is known: the emitter keeps, for each enclosing scope, a place before the next inner loop to which code
 * can be added at any time. Loop-invariant parts are thereby hoisted, and equal parts are computed once.
 */
import { type Axis, constant, type Expr, param } from "../../ir/expr.ts";
import type { BufferDecl } from "../../ir/kernel.ts";
import type { Callable, CodeSection, FunctionBuilder, Local, ValueType } from "./assembler.ts";
import { rawElements } from "./elements.ts";
import type { Features } from "./features.ts";
import type { Graph, LinearIndex } from "./graph.ts";
import { type HostName, pushConstant, type ScalarContext, scalarOperation, valueType } from "./scalar.ts";

/** A loop body, or the function's start. */
export interface Scope {
  /** Dependency bits of what is known here. */
  readonly available: number;
  /** The axis that this scope loops over; -1 for none. */
  readonly axis: number;
  /** Just before the loop, in the parent: where pointers are set. */
  readonly entry: CodeSection;
  /** In this scope, before the next inner loop: where that loop's invariants go. */
  section: CodeSection;
  readonly scalars: Map<Expr, Local>;
  /** Loop-invariant scalars in all lanes of a vector. */
  readonly splats: Map<Expr, Local>;
  /** Vectors by copy and part, see VectorEmitter. */
  readonly vectors: Map<Expr, (Local | undefined)[]>;
  readonly pointers: Map<string, Local>;
  /** Pointers that move along with this loop, with their bytes per step of 1. */
  readonly advances: { readonly local: Local; readonly stride: Expr }[];
}

export interface EmitterOptions {
  readonly f: FunctionBuilder;
  readonly graph: Graph;
  readonly buffers: readonly BufferDecl[];
  readonly features: Features;
  readonly block: Local;
  readonly host: (name: HostName) => Callable;
  /** The imported constant that is the frame's address; absent where nothing needs it. */
  readonly frame?: () => number;
}

export class Emitter implements ScalarContext {
  readonly f: FunctionBuilder;
  readonly graph: Graph;
  readonly buffers: readonly BufferDecl[];
  readonly features: Features;
  readonly host: (name: HostName) => Callable;
  /** The loop counter of each axis. */
  readonly indices: Local[] = [];
  protected readonly scopes: Scope[] = [];
  /** The innermost scope that code being emitted may see. */
  protected current = 0;
  private readonly block: Local;
  private readonly importFrame: (() => number) | undefined;
  private frameLocal: Local | undefined;
  private readonly temporaries = new Map<ValueType, Local[]>();

  constructor(options: EmitterOptions) {
    this.f = options.f;
    this.graph = options.graph;
    this.buffers = options.buffers;
    this.features = options.features;
    this.host = options.host;
    this.block = options.block;
    this.importFrame = options.frame;
    this.scopes.push(this.newScope(0, -1, this.f.insertion()));
    this.beforeLoop();
  }

  private newScope(available: number, axis: number, entry: CodeSection): Scope {
    return {
      available,
      axis,
      entry,
      section: entry,
      scalars: new Map(),
      splats: new Map(),
      vectors: new Map(),
      pointers: new Map(),
      advances: [],
    };
  }
  /** A local with the address of the thread's frame. */
  frame(): Local {
    if (this.frameLocal === undefined) {
      const { importFrame } = this;
      if (importFrame === undefined) throw new Error("IR: a kernel without a frame");
      const local = this.f.local("i32");
      this.inScope(0, () => this.f.global(importFrame()).set(local));
      this.frameLocal = local;
    }
    return this.frameLocal;
  }
  temporary(type: ValueType): Local {
    return this.temporaries.get(type)?.pop() ?? this.f.local(type);
  }
  free(...temporaries: Local[]): void {
    for (const local of temporaries) {
      const list = this.temporaries.get(local.type);
      if (list) list.push(local);
      else this.temporaries.set(local.type, [local]);
    }
  }
  get scope(): Scope {
    return this.scopes[this.current];
  }
  /** To be called in a scope before its next inner loop: hoisted code will stand here. */
  beforeLoop(): void {
    this.scope.section = this.f.insertion();
  }
  /** A scope without a loop counter of its own, in which more is known. */
  within(available: number, axis: number, body: () => void): Scope {
    const scope = this.newScope(this.scope.available | available, axis, this.f.insertion());
    this.scopes.push(scope);
    this.current++;
    this.beforeLoop();
    body();
    this.scopes.pop();
    this.current--;
    return scope;
  }
  /**
   * `while (index + step <= limit) { body; index += step }` over an axis. `known` are dependency bits that the body
   * adds besides the axis. Call `beforeLoop` before a group of loops over one axis.
   */
  loop(axis: number, limit: Local, step: number, body: () => void, known = 0): void {
    const { f } = this;
    const index = this.indices[axis];
    let last = limit;
    if (step > 1) {
      last = this.temporary("i32");
      f.get(limit).i32(step).op("i32.sub").set(last);
    }
    const more = (): void =>
      void f
        .get(index)
        .get(last)
        .op(step > 1 ? "i32.le_s" : "i32.lt_s");
    more();
    f.if(() => {
      const entry = f.insertion();
      f.loop((again) => {
        const scope = this.newScope(this.scope.available | (1 << axis) | known, axis, entry);
        this.scopes.push(scope);
        this.current++;
        this.beforeLoop();
        body();
        for (const { local, stride } of scope.advances) {
          f.get(local);
          this.scalar(this.graph.intern(stride.mul(step)));
          f.op("i32.add").set(local);
        }
        this.scopes.pop();
        this.current--;
        f.get(index).i32(step).op("i32.add").set(index);
        more();
        f.br_if(again);
      });
    });
    if (step > 1) this.free(last);
  }

  /** The outermost scope in which `e` can be computed. */
  protected level(e: Expr): number {
    const deps = this.graph.deps(e);
    for (let s = 0; s <= this.current; s++) if ((deps & ~this.scopes[s].available) === 0) return s;
    throw new Error(`IR: ${e.op} depends on a loop or a stage that it is not in`);
  }
  /** Emits at the hoisting place of scope `s`. */
  protected inScope(s: number, emit: () => void): void {
    if (s === this.current) {
      emit();
      return;
    }
    const saved = this.current;
    this.current = s;
    this.f.at(this.scopes[s].section, emit);
    this.current = saved;
  }

  /** Puts the scalar value of an interned expression on the stack. */
  scalar(e: Expr): void {
    const { f } = this;
    if (e.op === "const") {
      pushConstant(f, e.type, e.value as number | bigint);
      return;
    }
    if (e.op === "index") {
      f.get(this.indices[this.graph.axisNumber(e.axis as Axis)]);
      return;
    }
    const s = this.level(e);
    const known = this.scopes[s].scalars.get(e);
    if (known) f.get(known);
    else if (s < this.current || this.graph.refs(e) > 1) f.get(this.scalarLocal(e));
    else this.emitScalar(e);
  }
  /** A local that holds the scalar value of `e`. */
  scalarLocal(e: Expr): Local {
    if (e.op === "index") return this.indices[this.graph.axisNumber(e.axis as Axis)];
    const s = this.level(e);
    const known = this.scopes[s].scalars.get(e);
    if (known) return known;
    const local = this.f.local(valueType(e.type));
    this.inScope(s, () => {
      this.emitScalar(e);
      this.f.set(local);
    });
    this.scopes[s].scalars.set(e, local);
    return local;
  }
  /** Declares a local to hold the value of `e` from here on. */
  bindScalar(e: Expr, local: Local): void {
    this.scopes[this.level(e)].scalars.set(e, local);
  }

  private emitScalar(e: Expr): void {
    const { f } = this;
    switch (e.op) {
      case "const":
        pushConstant(f, e.type, e.value as number | bigint);
        return;
      case "param":
        // Slots below zero are the buffers' addresses, see `base`.
        f.get(this.block);
        if (e.slot < 0) f.memory("i32.load", 8 * (-1 - e.slot));
        else f.memory(`${valueType(e.type) as "i32"}.load`, 8 * (this.buffers.length + e.slot));
        if (e.type === "bool") f.i32(0).op("i32.ne");
        return;
      case "load":
        this.scalarLoad(e);
        return;
      case "stage":
      case "accumulator":
      case "index":
        throw new Error(`IR: ${e.op} has no value here`);
      default:
        scalarOperation(this, e, {
          push: (i) => this.scalar(e.args[i]),
          local: (i) => this.scalarLocal(e.args[i]),
        });
    }
  }
  private scalarLoad(e: Expr): void {
    const { f } = this;
    const raw = rawElements[this.buffers[e.slot].dtype];
    const [index, mask] = e.args;
    const offset = this.byteOffset(e.slot, index);
    if (!mask) {
      f.get(this.pointer(e.slot, index)).memory(raw.load, offset);
      return;
    }
    const pointer = this.pointer(e.slot, index);
    this.scalar(mask);
    f.if(
      () => f.get(pointer).memory(raw.load, offset),
      () => pushConstant(f, raw.type, 0),
      valueType(raw.type),
    );
  }

  /** Stores the scalar in `value`, already encoded, to an interned index. */
  scalarStore(slot: number, index: Expr, value: Local): void {
    const { store } = rawElements[this.buffers[slot].dtype];
    this.f.get(this.pointer(slot, index)).get(value).memory(store, this.byteOffset(slot, index));
  }

  /** The address of buffer `slot` as an expression. */
  private base(slot: number): Expr {
    return param("i32", -1 - slot);
  }
  /** A local with the address of buffer `slot`. */
  protected baseLocal(slot: number): Local {
    return this.scalarLocal(this.graph.intern(this.base(slot)));
  }
  /** What instructions add to the address in `pointer(slot, index)`. */
  protected byteOffset(slot: number, index: Expr): number {
    return this.graph.linear(index).offset * rawElements[this.buffers[slot].dtype].size;
  }
  /** A local with the byte address of an element at the current loop indices, less `byteOffset(slot, index)`. */
  pointer(slot: number, index: Expr): Local {
    const linear = this.graph.linear(index);
    return this.pointerIn(this.current, `${slot} ${linear.key}`, slot, linear);
  }
  private pointerIn(s: number, key: string, slot: number, linear: LinearIndex): Local {
    const { f, graph } = this;
    const scope = this.scopes[s];
    const known = scope.pointers.get(key);
    if (known) return known;
    const size = constant("i32", rawElements[this.buffers[slot].dtype].size);
    let local: Local;
    if (s > this.level(linear.rest)) {
      const coefficient = scope.axis < 0 ? constant("i32", 0) : linear.coefficients[scope.axis];
      // Scopes without a loop come first, and their indices enter at the first scope below.
      if (scope.axis < 0) return this.rootPointer(s, key, slot, linear);
      const parent = this.pointerIn(s - 1, key, slot, linear);
      if (coefficient.is(0)) return parent;
      local = f.local("i32");
      const stride = coefficient.mul(size);
      // The stride is the same in all loops, so its code goes before this one.
      const factor = graph.intern(stride);
      const scaled = factor.isConst ? undefined : this.scalarLocal(factor);
      f.at(scope.entry, () => {
        f.get(parent).get(this.indices[scope.axis]);
        if (scaled) f.get(scaled).op("i32.mul");
        else if (!factor.is(1)) f.i32(factor.value as number).op("i32.mul");
        f.op("i32.add").set(local);
      });
      scope.advances.push({ local, stride });
      scope.pointers.set(key, local);
      return local;
    }
    return this.rootPointer(s, key, slot, linear);
  }
  /** The address from the indices of all axes known in scope `s`. */
  private rootPointer(s: number, key: string, slot: number, linear: LinearIndex): Local {
    const size = constant("i32", rawElements[this.buffers[slot].dtype].size);
    let element = linear.rest;
    linear.coefficients.forEach((c, i) => {
      if (this.scopes[s].available & (1 << i)) element = element.add(c.mul(this.graph.axes[i].index));
    });
    const address = this.graph.intern(this.base(slot).add(element.mul(size)));
    const saved = this.current;
    let local: Local | undefined;
    // Hoisted to scope s or further out.
    this.inScope(s, () => {
      this.current = s;
      local = this.scalarLocal(address);
    });
    this.current = saved;
    this.scopes[s].pointers.set(key, local as Local);
    return local as Local;
  }
}
