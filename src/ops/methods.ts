/**
 * Which op modules become methods of Tensor. Every function that they export takes the tensor first; `f(x, …)` becomes
 * `x.f(…)`, and an op with an in-place form becomes `x.f_(…)` too. The types follow from the same list.
 */
import type { Node } from "../autograd/node.ts";
import { Tensor } from "../tensor.ts";
import * as activationMethods from "./activation-methods.ts";
import * as addmm from "./addmm.ts";
import * as arithmetic from "./arithmetic.ts";
import * as blending from "./blending.ts";
import * as comparison from "./comparison.ts";
import * as complex from "./complex.ts";
import * as conversion from "./conversion.ts";
import * as counting from "./counting.ts";
import * as creation from "./creation-methods.ts";
import * as diagonals from "./diagonals.ts";
import * as dimensions from "./dimensions.ts";
import * as exponential from "./exponential.ts";
import * as extrema from "./extrema.ts";
import * as frexp from "./frexp.ts";
import * as gradient from "./gradient-methods.ts";
import * as indexSlices from "./index-slices.ts";
import * as indexing from "./indexing.ts";
import * as integers from "./integers.ts";
import * as logical from "./logical.ts";
import * as matmul from "./matmul.ts";
import * as orderStatistics from "./order-statistics.ts";
import * as power from "./power.ts";
import * as random from "./random-methods.ts";
import * as rearranging from "./rearranging.ts";
import * as reductions from "./reductions.ts";
import * as scan from "./scan.ts";
import * as scatter from "./scatter.ts";
import * as scatterReduce from "./scatter-reduce.ts";
import * as selection from "./selection.ts";
import * as sliceScatter from "./slice-scatter.ts";
import * as softmax from "./softmax.ts";
import * as sorting from "./sorting.ts";
import * as special from "./special.ts";
import * as splitting from "./splitting.ts";
import * as statistics from "./statistics.ts";
import * as strided from "./strided.ts";
import * as trigonometric from "./trigonometric.ts";
import * as unary from "./unary.ts";
import * as unique from "./unique.ts";
import * as values from "./values.ts";
import * as views from "./views.ts";

const modules = [
  counting,
  unique,
  orderStatistics,
  sorting,
  activationMethods,
  blending,
  comparison,
  exponential,
  integers,
  logical,
  power,
  selection,
  special,
  trigonometric,
  scan,
  softmax,
  statistics,
  extrema,
  frexp,
  addmm,
  arithmetic,
  complex,
  conversion,
  creation,
  gradient,
  matmul,
  random,
  reductions,
  strided,
  diagonals,
  dimensions,
  rearranging,
  splitting,
  indexing,
  indexSlices,
  scatter,
  scatterReduce,
  sliceScatter,
  unary,
  values,
  views,
] as const;

// Written out: computing this intersection from `modules` makes the type of Tensor circular.
type Ops = typeof addmm &
  typeof activationMethods &
  typeof blending &
  typeof comparison &
  typeof exponential &
  typeof integers &
  typeof logical &
  typeof power &
  typeof selection &
  typeof special &
  typeof trigonometric &
  typeof arithmetic &
  typeof complex &
  typeof conversion &
  typeof creation &
  typeof frexp &
  typeof gradient &
  typeof matmul &
  typeof random &
  typeof reductions &
  typeof strided &
  typeof diagonals &
  typeof dimensions &
  typeof rearranging &
  typeof splitting &
  typeof indexing &
  typeof indexSlices &
  typeof scatter &
  typeof scatterReduce &
  typeof sliceScatter &
  typeof unary &
  typeof values &
  typeof extrema &
  typeof statistics &
  typeof softmax &
  typeof scan &
  typeof sorting &
  typeof orderStatistics &
  typeof unique &
  typeof counting &
  typeof views;

/** The method of a function; one with overloads declares its own as `method`. */
type Method<F> = F extends { readonly method: infer M }
  ? M
  : F extends (self: never, ...args: infer A) => infer R
    ? (...args: A) => R
    : never;

type Plain = {
  [K in keyof Ops]: Method<Ops[K]>;
};
type InPlace = {
  [K in keyof Ops as Ops[K] extends { readonly inplace: unknown } ? `${K & string}_` : never]: Ops[K] extends {
    readonly inplace: infer F;
  }
    ? Method<F>
    : never;
};

interface Accessors {
  /** The gradient, or null. */
  grad: Tensor | null;
  /** The same values outside of autograd's sight. Assigning replaces this tensor's contents. */
  data: Tensor;
  /** The node that recorded how this tensor was made, or null for a leaf. */
  readonly grad_fn: Node | null;
  /** @internal The same, not prepared for a user to look at. */
  readonly historyNode: Node | null;
  /** Dimensions in reverse order. */
  readonly T: Tensor;
  /** The last two dimensions swapped. */
  readonly mT: Tensor;
  /** The slices of the first dimension. */
  [Symbol.iterator](): Iterator<Tensor>;
  /** Gives the memory back, for `using x = …`; see `torch.scope`. */
  [Symbol.dispose](): void;
  /** The transpose of a matrix: complex types, which would be conjugated, are not implemented. */
  readonly H: Tensor;
  /** The transpose of the last two dimensions. */
  readonly mH: Tensor;
}

export interface TensorMethods extends Plain, InPlace, Accessors {}

type AnyFunction = (...args: unknown[]) => unknown;

function methodOf(f: AnyFunction): AnyFunction {
  return function (this: Tensor, a?: unknown, b?: unknown, ...rest: unknown[]): unknown {
    // biome-ignore lint/complexity/noArguments: how many were given decides, undefined or not.
    switch (arguments.length) {
      case 0:
        return f(this);
      case 1:
        return f(this, a);
      case 2:
        return f(this, a, b);
      default:
        return f(this, a, b, ...rest);
    }
  };
}

for (const module of modules) {
  for (const [name, f] of Object.entries(module) as [string, unknown][]) {
    if (typeof f !== "function") continue;
    const method = (f as { method?: unknown }).method;
    define(name, typeof method === "function" ? (method as AnyFunction) : methodOf(f as AnyFunction));
    const inplace = (f as { inplace?: unknown }).inplace;
    if (typeof inplace === "function") define(`${name}_`, methodOf(inplace as AnyFunction));
  }
}

function define(name: string, value: AnyFunction): void {
  Object.defineProperty(Tensor.prototype, name, { value, writable: true, configurable: true });
}
