/**
 * Custom functions (`torch.autograd.Function`) inside transformations: each autograd level records one node of its own, and
 * a vmap level calls the static method `vmap` or runs the others on batched tensors.
 * https://pytorch.org/docs/stable/notes/extending.func.html
 */
import { withForwardMode } from "../autograd/dual-level.ts";
import { applyFunction, setFunctionTransformer } from "../autograd/function.ts";
import type { AnyCall, FunctionNode, FunctionStatics } from "../autograd/function-node.ts";
import { RuntimeError } from "../errors.ts";
import type { Shape } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { unwrapDead, wrapAutograd, wrapBatched } from "../wrapping.ts";
import { AutogradLevel } from "./autograd-level.ts";
import { BatchLevel } from "./batch-level.ts";
import { typeText } from "./grad.ts";
import { recording, topLevel } from "./level.ts";
import { flatten, treeSpecText } from "./pytree.ts";

const NOTES = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html";

/** Calls a custom function at the top level of the stack. */
function call(statics: FunctionStatics, given: readonly unknown[]): unknown {
  const args = given.map((a) => (is_tensor(a) ? unwrapDead(a) : a));
  const level = topLevel();
  if (level === null) return applyFunction(statics, args);
  if (statics.setup_context === undefined) {
    throw new RuntimeError(
      `In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override the setup_context staticmethod. ${NOTES}`,
    );
  }
  const owned = args.some((a) => is_tensor(a) && a.wrapping?.level === level);
  if (level instanceof BatchLevel) checkVmapSupport(statics);
  if (!owned) return level.lower(() => call(statics, args));
  if (level instanceof AutogradLevel) return callAutograd(level, statics, args);
  if (level instanceof BatchLevel) return callBatched(level, statics, args);
  return level.lower(() => call(statics, args));
}

setFunctionTransformer(call);

/** The same statics with some of the methods replaced. */
function withMethods(statics: FunctionStatics, methods: Record<string, unknown>): FunctionStatics {
  const descriptors = Object.fromEntries(Object.entries(methods).map(([name, value]) => [name, { value }]));
  return Object.create(statics, descriptors) as FunctionStatics;
}

/** `f` applied to a result: to the only one, or to each of an array. */
function eachOutput(output: unknown, f: (x: unknown, i: number) => unknown): unknown {
  return Array.isArray(output) ? output.map(f) : f(output, 0);
}

function callAutograd(level: AutogradLevel, statics: FunctionStatics, args: readonly unknown[]): unknown {
  const lowered = (x: unknown): unknown => (is_tensor(x) ? level.unwrapped(x) : x);
  // What has a history at a lower level is a constant here.
  const own = args.map((a) => (is_tensor(a) && a.wrapping?.level !== level ? wrapAutograd(a, level) : a));
  const forward = (...all: unknown[]): unknown => {
    const below = all.map(lowered);
    const output = recording(() => withForwardMode(true, () => level.lower(() => call(statics, below))));
    return eachOutput(output, (x) => {
      if (!is_tensor(x)) return x;
      const i = below.indexOf(x);
      return i >= 0 ? all[i] : wrapAutograd(x, level);
    });
  };
  return applyFunction(withMethods(statics, { forward }), own);
}

function checkVmapSupport(statics: FunctionStatics): void {
  if (statics.generate_vmap_rule === true) {
    if (statics.vmap === undefined) return;
    throw new RuntimeError(
      `You tried to vmap over ${statics.name}, but it has both generate_vmap_rule=True and an overridden vmap staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity. ${NOTES}`,
    );
  }
  if (statics.vmap === undefined) {
    throw new RuntimeError(
      `You tried to vmap over ${statics.name}, but it does not have vmap support. Please override and implement the vmap staticmethod or set generate_vmap_rule=True. ${NOTES}`,
    );
  }
}

function callBatched(level: BatchLevel, statics: FunctionStatics, args: readonly unknown[]): unknown {
  const dims = args.map((a) => (is_tensor(a) && a.wrapping?.level === level ? a.wrapping.batchDim : null));
  const below = args.map((a, i) => (dims[i] === null ? a : (a as Tensor).wrapping?.value));
  if (statics.generate_vmap_rule === true) return callGenerated(level, statics, below, dims);
  const info = { batch_size: level.size, randomness: level.randomness };
  const result = level.lower(() => (statics.vmap as AnyCall).call(statics, info, dims, ...below));
  if (!Array.isArray(result) || result.length !== 2) {
    throw new RuntimeError(
      `Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure compatible with the output. Got a ${typeText(result)} instead`,
    );
  }
  const [output, outDims] = result as [unknown, unknown];
  if (Array.isArray(outDims) && outDims.length !== (Array.isArray(output) ? output.length : -1)) {
    const structure = Array.isArray(output) ? treeSpecText(flatten(output).tree) : "*";
    throw new RuntimeError(
      `The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. Expected out_dims=(${outDims.join(", ")}) to be compatible with the structure of \`output\`. out_dims has structure ${treeSpecText(flatten(outDims).tree)} but output has structure ${structure}. ${NOTES}`,
    );
  }
  return eachOutput(output, (x, i) => {
    const dim = (Array.isArray(outDims) ? outDims[i] : outDims) as number | null;
    if (!is_tensor(x) || dim === null) return x;
    return wrapBatched(x, dim < 0 ? dim + x.sizes.length : dim, level);
  });
}

/** A gradient of each sample, summed over what the sample was broadcast along. */
function sumToSample(whole: Tensor, shape: Shape): Tensor {
  const extra = whole.sizes.length - 1 - shape.length;
  let sum = whole;
  for (let d = 0; d < extra; d++) sum = sum.sum(1);
  shape.forEach((size, d) => {
    if (size === 1 && sum.sizes[d + 1] !== 1) sum = sum.sum(d + 1, true);
  });
  return sum;
}

/**
 * The methods of a custom function run on batched tensors, each in a vmap level of its own, so that to the levels below it
 * is one custom function of whole batches.
 */
function callGenerated(
  outer: BatchLevel,
  statics: FunctionStatics,
  args: readonly unknown[],
  dims: readonly (number | null)[],
): unknown {
  const outputDims: (number | null)[] = [];
  const sampleShapes = args.map((a, i) => (is_tensor(a) ? a.sizes.filter((_, d) => d !== dims[i]) : []));
  const batchedArguments = (level: BatchLevel, all: readonly unknown[]): unknown[] =>
    all.map((a, i) => (dims[i] === null ? a : wrapBatched(a as Tensor, dims[i], level)));
  const inLevel = <R>(body: (level: BatchLevel) => R): R => {
    const level = new BatchLevel(outer.size, outer.randomness);
    return level.run(() => body(level));
  };
  /** The tensor below, samples first, and whether it has samples at all. */
  const lowered = (level: BatchLevel, x: Tensor): [Tensor, number | null] =>
    x.wrapping?.level === level ? [level.lower(() => level.samplesFirst(x)), 0] : [x, null];

  const forward = (...all: unknown[]): unknown =>
    inLevel((level) => {
      const output = (statics.forward as AnyCall).call(statics, ...batchedArguments(level, all));
      outputDims.length = 0;
      return eachOutput(output, (x, i) => {
        outputDims[i] = null;
        if (!is_tensor(x)) return x;
        const [value, dim] = lowered(level, x);
        outputDims[i] = dim;
        return value;
      });
    });

  /** Which saved tensors have samples. */
  let savedDims: (number | null)[] = [];
  let forwardDims: (number | null)[] = [];
  /** The context as methods on batched tensors see it. */
  const contextFor = (level: BatchLevel, context: FunctionNode): FunctionNode => {
    const save =
      (method: "save_for_backward" | "save_for_forward") =>
      (...tensors: (Tensor | null)[]): void => {
        const pairs = tensors.map((t): [Tensor | null, number | null] =>
          is_tensor(t) ? lowered(level, t) : [t, null],
        );
        const found = pairs.map(([, dim]) => dim);
        if (method === "save_for_backward") savedDims = found;
        else forwardDims = found;
        context[method](...pairs.map(([t]) => t));
      };
    const mark =
      (method: "mark_dirty" | "mark_non_differentiable") =>
      (...tensors: Tensor[]): void =>
        context[method](...tensors.map((t) => lowered(level, t)[0]));
    return new Proxy(context, {
      get: (target, name) => {
        if (name === "save_for_backward" || name === "save_for_forward") return save(name);
        if (name === "mark_dirty" || name === "mark_non_differentiable") return mark(name);
        const value = Reflect.get(target, name, target) as unknown;
        if (name === "saved_tensors") {
          const found = target.saved_for_forward !== null ? forwardDims : savedDims;
          return (value as Tensor[]).map((t, i) => (found[i] == null ? t : wrapBatched(t, found[i], level)));
        }
        return typeof value === "function" ? (value as AnyCall).bind(target) : value;
      },
      set: (target, name, value) => Reflect.set(target, name, value, target),
    });
  };
  const batchedOutputs = (level: BatchLevel, list: readonly unknown[]): unknown[] =>
    list.map((g, i) => (is_tensor(g) && outputDims[i] === 0 ? wrapBatched(g, 0, level) : g));

  const setup_context = (context: FunctionNode, all: readonly unknown[], output: unknown): void =>
    inLevel((level) => {
      const outputs = eachOutput(output, (x, i) =>
        is_tensor(x) && outputDims[i] === 0 ? wrapBatched(x, 0, level) : x,
      );
      (statics.setup_context as AnyCall).call(
        statics,
        contextFor(level, context),
        batchedArguments(level, all),
        outputs,
      );
    });
  const differentiated =
    (method: AnyCall) =>
    (context: FunctionNode, ...grads: unknown[]): unknown =>
      inLevel((level) => {
        const result = method.call(statics, contextFor(level, context), ...batchedOutputs(level, grads));
        const list = Array.isArray(result) ? (result as unknown[]) : [result];
        return list.map((g, i) => {
          if (!is_tensor(g)) return g;
          const [value, dim] = lowered(level, g);
          return level.lower(() => {
            const argument = dims[i] ?? null;
            // An argument that all samples share gets the sum of their gradients.
            // One without samples is taken as it is, as in PyTorch.
            if (argument === null) return dim === null ? value : value.sum(0);
            const whole = dim === null ? value.unsqueeze(0).expand(level.size, ...value.sizes) : value;
            return sumToSample(whole, sampleShapes[i]).movedim(0, argument);
          });
        });
      });
  const jvp = (context: FunctionNode, ...tangents: unknown[]): unknown =>
    inLevel((level) => {
      const along = tangents.map((t, i) =>
        is_tensor(t) && dims[i] !== null ? wrapBatched(t, dims[i] as number, level) : t,
      );
      const result = (statics.jvp as AnyCall).call(statics, contextFor(level, context), ...along);
      return eachOutput(result, (x) => (is_tensor(x) ? level.lower(() => level.whole(x)) : x));
    });

  const methods: Record<string, unknown> = { forward, setup_context };
  if (statics.backward !== undefined) methods.backward = differentiated(statics.backward as AnyCall);
  if (statics.vjp !== undefined) methods.vjp = differentiated(statics.vjp as AnyCall);
  if (statics.jvp !== undefined) methods.jvp = jvp;
  const generated = withMethods(statics, methods);
  const output = outer.lower(() => call(generated, args));
  return eachOutput(output, (x, i) => (is_tensor(x) && outputDims[i] === 0 ? wrapBatched(x, 0, outer) : x));
}
