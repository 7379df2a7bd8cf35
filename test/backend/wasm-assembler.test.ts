import assert from "node:assert/strict";
import { test } from "node:test";
import { ModuleBuilder, type ValueType } from "../../src/backend/wasm/assembler.ts";
import { chooseFeatures, detectFeatures } from "../../src/backend/wasm/features.ts";
import {
  type LaneOp,
  laneOpcodes,
  type MemoryLaneOp,
  type MemoryOp,
  memoryLaneOpcodes,
  memoryOpcodes,
  type PlainOp,
  plainOpcodes,
} from "../../src/backend/wasm/opcodes.ts";

type Exported = Record<string, (...args: number[]) => number>;

function instantiate(module: ModuleBuilder, imports: WebAssembly.Imports = {}): Exported {
  return new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), imports).exports as unknown as Exported;
}

const scalars: ValueType[] = ["i32", "i64", "f32", "f64"];

/** The stack type of the lanes of a vector shape. */
function laneType(shape: string): ValueType {
  return shape === "i64x2" ? "i64" : shape === "f32x4" ? "f32" : shape === "f64x2" ? "f64" : "i32";
}

/** Operand and result types of an instruction without immediates, from its name alone. */
function signature(name: string): [ValueType[], ValueType] {
  const [shape, op] = name.split(".") as [string, string];
  if (scalars.includes(shape as ValueType)) {
    const type = shape as ValueType;
    const source = /_(i32|i64|f32|f64)(_|$)/.exec(op)?.[1] as ValueType | undefined;
    if (source) return [[source], type];
    if (/^(eqz|clz|ctz|popcnt|abs|neg|ceil|floor|trunc|nearest|sqrt|extend\d+_s)$/.test(op))
      return [[type], op === "eqz" ? "i32" : type];
    return [[type, type], /^(eq|ne|[lg][te])/.test(op) ? "i32" : type];
  }
  if (op === "splat") return [[laneType(shape)], "v128"];
  if (/^(any_true|all_true|bitmask)$/.test(op)) return [["v128"], "i32"];
  if (/^sh[lr]/.test(op)) return [["v128", "i32"], "v128"];
  if (/^(bitselect|relaxed_n?madd|relaxed_laneselect|relaxed_dot.*add_s)$/.test(op))
    return [["v128", "v128", "v128"], "v128"];
  if (
    /^(not|abs|neg|popcnt|ceil|floor|trunc|nearest|sqrt|extend_|extadd_|promote|demote|convert|trunc_sat|relaxed_trunc)/.test(
      op,
    )
  )
    return [["v128"], "v128"];
  return [["v128", "v128"], "v128"];
}

/** Puts a zero of a type on the stack. */
function zero(f: ReturnType<ModuleBuilder["function"]>, type: ValueType): void {
  f.get(f.local(type));
}

test("every opcode is accepted with the operand types that its name tells", () => {
  for (const name of Object.keys(plainOpcodes) as PlainOp[]) {
    if (name.includes("relaxed") && !detectFeatures().relaxed) continue;
    const [operands, result] = signature(name);
    const module = new ModuleBuilder();
    const f = module.function([], [result]);
    for (const operand of operands) zero(f, operand);
    f.op(name);
    assert.ok(WebAssembly.validate(module.bytes()), `${name}: ${operands} -> ${result}`);
  }
  for (const name of Object.keys(memoryOpcodes) as MemoryOp[]) {
    const [type, op] = name.split(".") as [ValueType, string];
    for (const natural of [true, false]) {
      const module = new ModuleBuilder();
      module.importMemory("env", "memory");
      const store = op.startsWith("store");
      const f = module.function([], store ? [] : [type]);
      f.i32(0);
      if (store) zero(f, type);
      f.memory(name, 8, memoryOpcodes[name][1] + (natural ? 0 : 1));
      // More than the natural alignment is invalid, so this pins the alignment table too.
      assert.equal(WebAssembly.validate(module.bytes()), natural, name);
    }
  }
  for (const name of Object.keys(memoryLaneOpcodes) as MemoryLaneOp[]) {
    const module = new ModuleBuilder();
    module.importMemory("env", "memory");
    const f = module.function([], name.includes("store") ? [] : ["v128"]);
    f.i32(0).get(f.local("v128")).memoryLane(name, 1, 16);
    assert.ok(WebAssembly.validate(module.bytes()), name);
  }
  for (const name of Object.keys(laneOpcodes) as LaneOp[]) {
    const [shape, op] = name.split(".") as [string, string];
    const module = new ModuleBuilder();
    const extract = op.startsWith("extract");
    const f = module.function([], [extract ? laneType(shape) : "v128"]);
    f.get(f.local("v128"));
    if (!extract) zero(f, laneType(shape));
    f.lane(name, 1);
    assert.ok(WebAssembly.validate(module.bytes()), name);
  }
});

test("constants survive the encoding", () => {
  const ints = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 2 ** 31 - 1, -(2 ** 31), 0x12345678];
  const module = new ModuleBuilder();
  ints.forEach((v, i) => {
    module.function([], ["i32"], `i${i}`).i32(v);
    module.function([], ["i64"], `l${i}`).i64(BigInt(v) * 0x100000001n);
    module.function([], ["f32"], `f${i}`).f32(v / 3);
    module.function([], ["f64"], `d${i}`).f64(v / 3);
  });
  const f = instantiate(module) as Record<string, () => number | bigint>;
  ints.forEach((v, i) => {
    assert.equal(f[`i${i}`](), v);
    assert.equal(f[`l${i}`](), BigInt.asIntN(64, BigInt(v) * 0x100000001n));
    assert.equal(f[`f${i}`](), Math.fround(v / 3));
    assert.equal(f[`d${i}`](), v / 3);
  });
});

test("control flow, calls, imports and memory", () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new ModuleBuilder();
  module.importMemory("env", "memory");
  const inner = module.function(["i32"], ["i32"]);
  const twice = module.importFunction("env", "twice", ["f64"], ["f64"]);
  inner.get(inner.parameter(0)).get(inner.parameter(0)).op("i32.mul");
  const f = module.function(["i32"], ["i32"], "sumOfSquares");
  const n = f.parameter(0);
  const i = f.local("i32");
  const total = f.local("i32");
  f.block((done) => {
    f.loop((again) => {
      f.get(i).get(n).op("i32.ge_s").br_if(done);
      f.get(i).call(inner).get(total).op("i32.add").set(total);
      f.get(i).i32(1).op("i32.add").set(i);
      f.br(again);
    });
  });
  f.i32(0).get(total).memory("i32.store", 40);
  f.get(total);
  const g = module.function(["f64"], ["f64"], "twice");
  g.get(g.parameter(0)).call(twice);
  const h = module.function(["i32"], ["i32"], "choose");
  h.block((c) => {
    h.block((b) => {
      h.block((a) => h.get(h.parameter(0)).br_table([a, b], c));
      h.i32(10).return();
    });
    h.i32(20).return();
  });
  h.get(h.parameter(0)).i32(5).op("i32.gt_s");
  h.if(
    () => h.i32(1),
    () => h.i32(30),
    "i32",
  );
  const exports = instantiate(module, { env: { memory, twice: (x: number) => 2 * x } });
  assert.equal(exports.sumOfSquares(10), 285);
  assert.equal(new Int32Array(memory.buffer)[10], 285);
  assert.equal(exports.twice(21), 42);
  assert.deepEqual(
    [0, 1, 2, 9].map((x) => exports.choose(x)),
    [10, 20, 30, 1],
  );
});

test("code can be inserted at an earlier place", () => {
  const module = new ModuleBuilder();
  const f = module.function(["i32"], ["i32"], "f");
  const a = f.local("i32");
  const start = f.insertion();
  f.loop(() => {
    f.get(a);
    const inside = f.insertion();
    f.at(inside, () => f.get(f.parameter(0)).i32(7).op("i32.add").set(a));
    f.get(a).op("i32.mul");
    f.at(start, () => f.i32(3).set(a));
  }, "i32");
  assert.equal(instantiate(module).f(10), 3 * 17);
});

test("released locals are used again", () => {
  const f = new ModuleBuilder().function(["i32"], []);
  const a = f.local("v128");
  f.release(a);
  assert.equal(f.local("f32").index, 2);
  assert.equal(f.local("v128"), a);
});

test("features can be switched off, not on", () => {
  assert.deepEqual(chooseFeatures(), detectFeatures());
  assert.equal(chooseFeatures({ relaxed: false }).relaxed, false);
  assert.deepEqual({ ...chooseFeatures({ simd: false }) }, { simd: false, relaxed: false, wide: false });
  const { relaxed } = detectFeatures();
  assert.equal(chooseFeatures({ relaxed: true }).relaxed, relaxed);
});
