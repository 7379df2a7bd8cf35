/**
 * Scatter kernels: one loop in index order, since the same element may be written many times. Where the last axis walks
 * along a row of memory, vectors do, because nothing is written twice within it.
 */
import { Axis, computeType, constant, type Expr, load, walk } from "../../ir/expr.ts";
import type { ScatterKernel } from "../../ir/kernel.ts";
import { type MemoryLimits, ModuleBuilder } from "./assembler.ts";
import { encodeStore } from "./elements.ts";
import type { Features } from "./features.ts";
import { Graph, ROW } from "./graph.ts";
import { importHost } from "./host.ts";
import { outerRuns } from "./outer.ts";
import { prepareExpression } from "./stages.ts";
import { isLanewise, LANES, VectorEmitter } from "./vector.ts";

/** The module of a scatter kernel; it exports `run(block, begin, end)`. */
export function emitScatter(
  kernel: ScatterKernel,
  features: Features,
  memory: MemoryLimits = {},
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", memory);
  const host = importHost(module);
  const f = module.function(["i32", "i32", "i32"], [], "run");
  const axes = kernel.axes.length > 0 ? kernel.axes : [new Axis("one", constant("i32", 1))];
  const graph = new Graph(axes);
  const { dtype } = kernel.buffers[kernel.buffer];
  const type = computeType(dtype);
  if (kernel.value.type !== type) throw new Error(`IR: scatter of ${kernel.value.type} to ${dtype}`);

  // Version 1: the target's elements change from index to index, so a load of them is never moved out of a loop.
  const versions = kernel.buffers.map((_, i) => (i === kernel.buffer ? 1 : 0));
  const index = graph.intern(prepareExpression(kernel.index, kernel.buffers), versions);
  const value = prepareExpression(kernel.value, kernel.buffers);
  let result = value;
  if (kernel.mode !== "set") {
    const old = prepareExpression(load(type, kernel.buffer, kernel.index), kernel.buffers);
    result = combine(kernel.mode, old, value);
  }
  const stored = graph.intern(encodeStore(result, dtype), versions);
  const emitter = new VectorEmitter({ f, graph, buffers: kernel.buffers, features, block: f.parameter(0), host });
  for (const _ of axes) emitter.indices.push(f.local("i32"));
  const sizes = axes.map((axis) => graph.intern(axis.size));
  outerRuns(emitter, sizes, f.parameter(1), f.parameter(2), (limit) => {
    emitter.beforeLoop();
    const axis = axes.length - 1;
    if (features.simd && isRow(graph, axis, index, stored)) {
      emitter.vectorAxis = axis;
      for (const copies of [4, 1]) {
        const vectors = (): void => {
          emitter.loadFirst([stored, index], copies);
          emitter.vectorStore(kernel.buffer, index, stored.type, emitter.vectorLocals(stored, copies), copies);
        };
        emitter.loop(axis, limit, LANES * copies, vectors, ROW);
      }
      emitter.vectorAxis = -1;
    }
    const body = (): void => emitter.scalarStore(kernel.buffer, index, emitter.scalarLocal(stored));
    emitter.loop(axis, limit, 1, body, ROW);
  });
  return module.bytes();
}

/** Whether an axis walks along rows of memory, on which each element is written once. */
function isRow(graph: Graph, axis: number, index: Expr, stored: Expr): boolean {
  const bit = 1 << axis;
  const along = (e: Expr, scale: number): boolean => {
    const { rest, coefficients } = graph.linear(e);
    return coefficients[axis].is(scale) && (graph.deps(rest) & bit) === 0;
  };
  if (!along(index, 1)) return false;
  let possible = true;
  walk(stored, (e) => {
    if ((graph.deps(e) & bit) === 0) return;
    if (e.op === "load") possible &&= e.args.length === 1 && along(e.args[0], 1);
    else if (e.op !== "index") possible &&= !isLanewise(e, (x) => (graph.deps(x) & bit) === 0);
  });
  return possible;
}

function combine(mode: Exclude<ScatterKernel["mode"], "set">, old: Expr, value: Expr): Expr {
  if (old.type !== "bool") return mode === "add" ? old.add(value) : old[mode](value);
  // On bool, adding is "or" and multiplying "and"; so are the maximum and the minimum.
  return mode === "add" || mode === "max" ? old.or(value) : old.and(value);
}
