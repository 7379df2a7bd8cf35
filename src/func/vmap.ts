/** `torch.vmap`: a function of one sample applied to many at once. https://pytorch.org/docs/stable/generated/torch.func.vmap.html */
import { RuntimeError, ValueError } from "../errors.ts";
import { namedArguments } from "../keywords.ts";
import { movedim } from "../ops/dimensions.ts";
import { cat } from "../ops/joining.ts";
import { default_generator } from "../random/generator.ts";
import { normalizeDim } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { wrapBatched } from "../wrapping.ts";
import { BatchLevel, type Randomness } from "./batch-level.ts";
import { typeText } from "./grad.ts";
import { synchronous } from "./level.ts";
import { flatten, isPlainObject, type Tree, treeSpecText, unflatten } from "./pytree.ts";

/** A dimension for all tensors of a value, null for none, or the same for the parts of the value. */
export type BatchDims = number | null | readonly BatchDims[] | { readonly [key: string]: BatchDims };

export interface VmapOptions {
  /** For each argument, which dimension of its tensors is the batch; null where they are the same for all samples. Default 0. */
  readonly in_dims?: BatchDims;
  /** Where the batch goes in the results; null for results that are the same for all samples. Default 0. */
  readonly out_dims?: BatchDims;
  /** What random operations do: refuse ("error", the default), or draw "same" or "different" numbers for the samples. */
  readonly randomness?: Randomness;
  /** How many samples are computed at once; all by default. */
  readonly chunk_size?: number | null;
}

interface Bound {
  readonly name: string;
  readonly inDims: BatchDims;
  readonly outDims: BatchDims;
  readonly randomness: Randomness;
  readonly chunkSize: number | null;
}

/**
 * A function that applies `func`, a function of one sample, to all samples of its arguments at once. Further arguments are
 * those of `VmapOptions`, in its order or by name.
 */
export function vmap<A extends unknown[], R>(
  func: (...args: A) => R,
  ...options: (VmapOptions | BatchDims | Randomness | undefined)[]
): (...args: A) => R {
  const values = namedArguments("vmap", ["in_dims", "out_dims", "randomness", "chunk_size"], options);
  const randomness = (values.randomness ?? "error") as Randomness;
  if (!["error", "different", "same"].includes(randomness)) {
    throw new RuntimeError(`Only allowed values for randomness are 'error', 'different', or 'same'. Got ${randomness}`);
  }
  const chunkSize = (values.chunk_size ?? null) as number | null;
  if (chunkSize !== null && !(chunkSize > 0)) {
    throw new ValueError(`vmap: chunk_size should be None or greater than 0. (got ${chunkSize})`);
  }
  const given = (name: string): BatchDims =>
    (name in values && values[name] !== undefined ? values[name] : 0) as BatchDims;
  const bound: Bound = {
    name: func.name || "<lambda>",
    inDims: given("in_dims"),
    outDims: given("out_dims"),
    randomness,
    chunkSize,
  };
  return (...args) => mapped(func as (...all: unknown[]) => unknown, args, bound) as R;
}

/** Python's text of dimensions. */
function dimsText(dims: unknown, inside = false): string {
  if (typeof dims === "string" && inside) return `'${dims}'`;
  if (dims === null || dims === undefined) return "None";
  if (Array.isArray(dims))
    return dims.length === 1 ? `(${dimsText(dims[0], true)},)` : `(${dims.map((d) => dimsText(d, true)).join(", ")})`;
  if (isPlainObject(dims))
    return `{${Object.entries(dims)
      .map(([k, v]) => `'${k}': ${dimsText(v, true)}`)
      .join(", ")}}`;
  return String(dims);
}

/** For each leaf of `tree` its entry in `dims`, where one entry may stand for all of a part; null where they do not fit. */
function spread(dims: unknown, tree: Tree): unknown[] | null {
  if (tree.kind === "leaf") return Array.isArray(dims) || isPlainObject(dims) ? null : [dims];
  if (!Array.isArray(dims) && !isPlainObject(dims)) return tree.children.flatMap((child) => spread(dims, child) ?? []);
  if (Array.isArray(dims) !== (tree.kind === "array")) return null;
  const keys = tree.kind === "object" ? tree.keys : null;
  const parts = keys === null ? (dims as unknown[]) : keys.map((key) => (dims as Record<string, unknown>)[key]);
  const count = Array.isArray(dims) ? dims.length : Object.keys(dims).length;
  if (count !== tree.children.length || keys?.some((key) => !Object.hasOwn(dims, key))) return null;
  const found: unknown[] = [];
  for (const [i, child] of tree.children.entries()) {
    const own = spread(parts[i], child);
    if (own === null) return null;
    found.push(...own);
  }
  return found;
}

const isInt = (x: unknown): x is number => typeof x === "number" && Number.isInteger(x);

/** The dimension of each leaf, and how many samples there are. */
function inputDims(
  leaves: readonly unknown[],
  tree: Tree,
  count: number,
  { name, inDims }: Bound,
): [(number | null)[], number] {
  const where = `vmap(${name}, in_dims=${dimsText(inDims)}, ...)(<inputs>): `;
  if (!isInt(inDims) && !Array.isArray(inDims)) {
    throw new ValueError(
      `${where}expected \`in_dims\` to be int or a (potentially nested) tuple matching the structure of inputs, got: ${typeText(inDims)}.`,
    );
  }
  if (count === 0) {
    throw new ValueError(
      `vmap(${name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function with no inputs. The latter is unsupported.`,
    );
  }
  const list = spread(inDims, tree);
  if (list === null) {
    throw new ValueError(
      `${where}in_dims is not compatible with the structure of \`inputs\`. in_dims has structure ${treeSpecText(flatten(inDims).tree)} but inputs has structure ${treeSpecText(tree)}.`,
    );
  }
  const dims = list.map((dim, i) => {
    const leaf = leaves[i];
    if (dim === null) return null;
    if (!isInt(dim)) {
      throw new ValueError(
        `${where}Got in_dim=${dimsText(dim)} for an input but in_dim must be either an integer dimension or None.`,
      );
    }
    if (!is_tensor(leaf)) {
      throw new ValueError(
        `${where}Got in_dim=${dim} for an input but the input is of type ${typeText(leaf)}. We cannot vmap over non-Tensor arguments, please use None as the respective in_dim`,
      );
    }
    const rank = leaf.sizes.length;
    if (dim < -rank || dim >= rank) {
      throw new ValueError(
        `${where}Got in_dim=${dim} for some input, but that input is a Tensor of dimensionality ${rank} so expected in_dim to satisfy -${rank} <= in_dim < ${rank}.`,
      );
    }
    return dim < 0 ? dim + rank : dim;
  });
  const sizes = dims.flatMap((dim, i) => (dim === null ? [] : [(leaves[i] as Tensor).sizes[dim]]));
  if (sizes.length === 0) throw new ValueError("vmap: Expected at least one Tensor to vmap over");
  if (sizes.some((s) => s !== sizes[0])) {
    throw new ValueError(
      `vmap: Expected all tensors to have the same size in the mapped dimension, got sizes [${sizes.join(", ")}] for the mapped dimension`,
    );
  }
  return [dims, sizes[0]];
}

function checkOutDims({ name, outDims }: Bound): void {
  if (flatten(outDims).leaves.every((dim) => dim === null || isInt(dim))) return;
  throw new ValueError(
    `vmap(${name}, ..., out_dims=${dimsText(outDims)}): \`out_dims\` must be an int, None or a python collection of ints representing where in the outputs the vmapped dimension should appear.`,
  );
}

function mapped(func: (...args: unknown[]) => unknown, args: readonly unknown[], bound: Bound): unknown {
  checkOutDims(bound);
  const { leaves, tree } = flatten(args);
  const [dims, size] = inputDims(leaves, tree, args.length, bound);
  const { chunkSize } = bound;
  if (chunkSize === null || chunkSize >= size) return runAll(func, leaves, tree, dims, size, bound).value;
  return inChunks(func, leaves, tree, dims, size, bound, chunkSize);
}

interface Output {
  readonly value: unknown;
  /** For each leaf of the value, where its batch is. */
  readonly dims: readonly (number | null)[];
}

function runAll(
  func: (...args: unknown[]) => unknown,
  leaves: readonly unknown[],
  tree: Tree,
  dims: readonly (number | null)[],
  size: number,
  bound: Bound,
): Output {
  const level = new BatchLevel(size, bound.randomness);
  return level.run(() => {
    const wrapped = leaves.map((leaf, i) => {
      const dim = dims[i];
      return dim === null ? leaf : wrapBatched(leaf as Tensor, dim, level);
    });
    const result = synchronous("vmap", func(...(unflatten(tree, wrapped) as unknown[])));
    return level.lower(() => unbatched(result, level, bound));
  });
}

/** Parts of the batch one after another, and their results together. */
function inChunks(
  func: (...args: unknown[]) => unknown,
  leaves: readonly unknown[],
  tree: Tree,
  dims: readonly (number | null)[],
  size: number,
  bound: Bound,
  chunkSize: number,
): unknown {
  const state = bound.randomness === "same" ? default_generator.get_state() : null;
  const outputs: Output[] = [];
  for (let start = 0; start < size; start += chunkSize) {
    const length = Math.min(chunkSize, size - start);
    const part = leaves.map((leaf, i) => {
      const dim = dims[i];
      return dim === null ? leaf : (leaf as Tensor).narrow(dim, start, length);
    });
    if (state !== null) default_generator.set_state(state);
    outputs.push(runAll(func, part, tree, dims, length, bound));
  }
  const flat = outputs.map(({ value }) => flatten(value));
  const joined = flat[0].leaves.map((leaf, i) => {
    const dim = outputs[0].dims[i];
    if (dim === null) return leaf;
    return cat(
      flat.map((f) => f.leaves[i] as Tensor),
      dim,
    );
  });
  return unflatten(flat[0].tree, joined);
}

function outputDims(result: unknown, tree: Tree, { name, outDims }: Bound): (number | null)[] {
  const list =
    is_tensor(result) && Array.isArray(outDims) && outDims.length === 1 ? [outDims[0]] : spread(outDims, tree);
  if (list === null) {
    throw new ValueError(
      `vmap(${name}, ..., out_dims=${dimsText(outDims)})(<inputs>): out_dims is not compatible with the structure of \`outputs\`. out_dims has structure ${treeSpecText(flatten(outDims).tree)} but outputs has structure ${treeSpecText(tree)}.`,
    );
  }
  return list as (number | null)[];
}

/** The results with the batch as a dimension of theirs. */
function unbatched(result: unknown, level: BatchLevel, bound: Bound): Output {
  const { leaves, tree } = flatten(result);
  const dims = outputDims(result, tree, bound);
  const { name } = bound;
  const placed: (number | null)[] = [];
  const values = leaves.map((leaf, i) => {
    const dim = dims[i];
    placed.push(dim);
    if (dim === null) {
      if (is_tensor(leaf) && level.owns(leaf)) {
        throw new ValueError(`vmap(${name}, ...): \`${name}\` can not return a BatchedTensor when out_dim is None`);
      }
      return leaf;
    }
    if (!is_tensor(leaf)) {
      throw new ValueError(
        `vmap(${name}, ...): \`${name}\` must only return Tensors, got type ${typeText(leaf)}. Did you mean to set out_dims= to None for output?`,
      );
    }
    const whole = level.whole(leaf);
    const to = normalizeDim(dim, whole.sizes.length);
    placed[i] = to;
    return to === 0 ? whole : movedim(whole, 0, to);
  });
  return { value: unflatten(tree, values), dims: placed };
}
