/**
 * Tensors inside transformations of functions. At an autograd level (grad, jvp) a tensor shares the memory of the tensor
 * that it stands for and has a history of its own; at a vmap level it stands for a tensor with one more dimension and has
 * no memory that could be read. A transformation that has ended leaves dead tensors behind.
 */
import { RuntimeError } from "./errors.ts";
import type { Shape } from "./shape.ts";
import type { Storage } from "./storage/storage.ts";
import { Tensor, type TransformLevel } from "./tensor.ts";

/** Stands in for the memory of a batched tensor: whoever wants to read it gets an error. */
class NoStorage {
  /** That of the memory that the batch has somewhere below. */
  readonly serial: number;
  readonly nbytes = Number.MAX_SAFE_INTEGER;
  kept = true;
  private readonly level: TransformLevel;
  constructor(serial: number, level: TransformLevel) {
    this.serial = serial;
    this.level = level;
  }
  get address(): number {
    if (!this.level.alive) throw escapedError();
    throw new RuntimeError("Cannot access data pointer of Tensor that doesn't have storage");
  }
  free(): void {}
}

/** The tensor of an autograd level that stands for `value`. */
export function wrapAutograd(value: Tensor, level: TransformLevel): Tensor {
  const out = new Tensor(value.storage, value.dtype, value.sizes, value.strides, value.offset, value.contiguousLayout);
  out.version = value.version;
  out.wrapping = { level, value, batchDim: -1 };
  return out;
}

/** Another tensor for the same memory at the same level, whose changes both count. It has no history. */
export function aliasOf(tensor: Tensor): Tensor {
  const { storage, dtype, sizes, strides, offset, contiguousLayout } = tensor;
  const alias = new Tensor(storage, dtype, sizes, strides, offset, contiguousLayout);
  alias.version = tensor.version;
  alias.wrapping = tensor.wrapping;
  return alias;
}

/** The tensor of a vmap level that stands for `value`, whose dimension `batchDim` is the batch. */
export function wrapBatched(value: Tensor, batchDim: number, level: TransformLevel): Tensor {
  const first = batchDim === 0;
  const sizes = first ? value.sizes.slice(1) : value.sizes.filter((_, d) => d !== batchDim);
  const strides = first ? value.strides.slice(1) : value.strides.filter((_, d) => d !== batchDim);
  const out = new Tensor(
    new NoStorage(value.storage.serial, level) as unknown as Storage,
    value.dtype,
    sizes,
    strides,
    value.offset,
    // One sample of a batch without gaps has none.
    first && value.contiguousLayout ? true : undefined,
  );
  out.version = value.version;
  out.wrapping = { level, value, batchDim };
  return out;
}

/** The tensor that a dead one stood for; one at an autograd level is just its value when the transformation is over. */
export function unwrapDead(tensor: Tensor): Tensor {
  let t = tensor;
  while (t.wrapping !== null && !t.wrapping.level.alive) {
    if (t.wrapping.level.kind === "vmap") throw escapedError();
    t = t.wrapping.value;
  }
  return t;
}

/** `inputs` with those that a finished transformation left behind replaced by what they stood for. */
export function living(inputs: readonly Tensor[]): readonly Tensor[] {
  for (let i = 0; i < inputs.length; i++) {
    const { wrapping } = inputs[i];
    if (wrapping !== null && !wrapping.level.alive) return inputs.map(unwrapDead);
  }
  return inputs;
}

function escapedError(): RuntimeError {
  return new RuntimeError(
    "Either your tensor may have escaped from inside a function being vmapped and this is a user error (see https://pytorch.org/functorch/stable/ux_limitations.html), or there is an internal functorch error in `gen_vmap_plumbing` Please file an issue if it looks like the latter",
  );
}

let transformations = 0;

/** Whether a function is being transformed now. */
export function isTransforming(): boolean {
  return transformations !== 0;
}

/** Runs `body` as (a part of) a function that is being transformed. */
export function whileTransforming<R>(body: () => R): R {
  transformations++;
  try {
    return body();
  } finally {
    transformations--;
  }
}

/** Refuses what changes autograd's state of single tensors while a function is being transformed. */
export function refuseInTransformation(call: string): void {
  if (transformations === 0) return;
  throw new RuntimeError(
    `You are attempting to call Tensor.${call}() ${call === "requires_grad_" ? "(or perhaps using torch.autograd.functional.* APIs) " : ""}inside of a function being transformed by a functorch transform. This is unsupported, please attempt to use the functorch transforms (e.g. grad, vjp, jacrev, jacfwd, hessian) or call ${call}() outside of a function being transformed instead.`,
  );
}

/** Whether the values of a tensor cannot be read: it stands for a batch at some level. */
export function isBatched(tensor: Tensor): boolean {
  for (let w = tensor.wrapping; w !== null; w = w.value.wrapping) if (w.level.kind === "vmap") return true;
  return false;
}

/** Whether a tensor needs a gradient at its own level or at one below: what no tensor shows of the levels below it. */
export function requiresGradSomewhere(tensor: Tensor): boolean {
  if (tensor.requires_grad) return true;
  for (let w = tensor.wrapping; w !== null; w = w.value.wrapping) if (w.value.requires_grad) return true;
  return false;
}

/** A new tensor made by `make` from its sizes, one for each sample where `like` has samples. */
export function freshLike(like: Tensor, sizes: Shape, make: (sizes: Shape) => Tensor): Tensor {
  const { wrapping } = like;
  if (wrapping === null) return make(sizes);
  if (!wrapping.level.alive) return freshLike(unwrapDead(like), sizes, make);
  const { level, value, batchDim } = wrapping;
  if (batchDim < 0) return wrapAutograd(freshLike(value, sizes, make), level);
  return wrapBatched(freshLike(value, [value.sizes[batchDim], ...sizes], make), 0, level);
}
