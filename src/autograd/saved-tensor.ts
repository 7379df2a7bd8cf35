/** What nodes keep for backward, and the hooks that decide how it is kept. */
import { ScopedValue } from "../context/scoped-value.ts";
import { scalarTypeName } from "../dtype.ts";
import { RuntimeError } from "../errors.ts";
import { describe } from "../shape.ts";
import { withoutTracking } from "../storage/storage.ts";
import { is_tensor, Tensor } from "../tensor.ts";
import { unwrapDead } from "../wrapping.ts";
import { is_anomaly_enabled } from "./anomaly.ts";
import { withGradMode } from "./mode.ts";
import { type Node, operationName, releasedError } from "./node.ts";

/** What a tensor is kept as, and how it comes back. */
export interface SavedTensorHooks {
  readonly pack: (tensor: Tensor) => unknown;
  readonly unpack: (packed: never) => unknown;
  /** Told that what was packed is not needed any more. */
  readonly release?: (packed: never) => void;
  /** Keeps copies, so that what was saved may change. */
  readonly allowsMutation?: boolean;
}

/** The hooks in force for tensors that are saved now; the innermost pair counts. */
export const savedTensorHooks: ScopedValue<SavedTensorHooks | null> = new ScopedValue<SavedTensorHooks | null>(null);

/** Why hooks may not be used now, if they may not. */
export const savedTensorHooksForbidden: ScopedValue<string | null> = new ScopedValue<string | null>(null);

/** `hooks`, unless hooks may not be used now. */
export function allowedHooks(hooks: SavedTensorHooks): SavedTensorHooks {
  const message = savedTensorHooksForbidden.get();
  if (message !== null) throw new RuntimeError(message);
  return hooks;
}

/** What hooks have made of a tensor, and the place in the graph that it comes back to. */
interface Packed {
  readonly hooks: SavedTensorHooks;
  readonly value: unknown;
  /** The node of an input; null for leaves, and for outputs of the node that saves them. */
  readonly gradFn: Node | null;
  readonly isLeaf: boolean;
  readonly requiresGrad: boolean;
  readonly outputNumber: number;
  readonly accumulator: Node | null;
}

/** In place of an output's number, for inputs that are leaves and for inputs that are not. */
const LEAF_INPUT = -1;
const COMPUTED_INPUT = -2;

/** What was packed, when it is not kept any more. */
const RELEASED: Packed = {
  hooks: {
    pack: () => null,
    unpack: () => {
      throw releasedError();
    },
  },
  value: null,
  gradFn: null,
  isLeaf: true,
  requiresGrad: false,
  outputNumber: 0,
  accumulator: null,
};

/** A tensor kept for backward, with the version it had: PyTorch's `SavedTensor`. */
export class SavedTensor {
  /** Stands for null among saved tensors. */
  static readonly none: SavedTensor = SavedTensor.#makeNone();
  static #makeNone(): SavedTensor {
    return Object.create(SavedTensor.prototype, {
      tensor: { value: null },
      packed: { value: null, writable: true },
    }) as SavedTensor;
  }

  private tensor: Tensor | null;
  private readonly version: number;
  /** Which output of the node that saves it the tensor is; less than 0 for an input. */
  private readonly output: number;
  private packed: Packed | null = null;

  /** For an output, `maker` is the node that saves it. */
  constructor(tensor: Tensor, output: number = LEAF_INPUT, maker: Node | null = null) {
    if (tensor.version.inference) throw inferenceSavedError();
    this.tensor = tensor;
    this.version = tensor.version.value;
    this.output = output < 0 && tensor.gradFn !== null ? COMPUTED_INPUT : output;
    const hooks = savedTensorHooks.get();
    if (hooks !== null) {
      if (output >= 0 && maker !== null && tensor.gradFn === null) {
        // Hooks see an output with its history, which it is given right after this.
        tensor.gradFn = maker;
        tensor.outputNumber = output;
        tensor.gradFnVersion = tensor.version.value;
      }
      this.pack(hooks, tensor);
    }
  }

  private pack(hooks: SavedTensorHooks, shown: Tensor): void {
    const tensor = this.tensor as Tensor;
    const before = tensor.version.value;
    const gradFn = tensor.historyNode;
    const value = withGradMode(false, () => hooks.pack(shown));
    if (tensor.version.value !== before) {
      throw new RuntimeError(
        "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if you need to perform in-place operations on the input to a pack hook.",
      );
    }
    const isLeaf = this.output < 0 && gradFn === null;
    this.packed = {
      hooks,
      value,
      gradFn: this.output < 0 ? gradFn : null,
      isLeaf,
      requiresGrad: isLeaf && tensor.requires_grad,
      outputNumber: this.output >= 0 ? this.output : tensor.outputNumber,
      accumulator: tensor.accumulator,
    };
    this.tensor = null;
  }

  /**
   * Has the tensor kept as what `pack_hook` makes of it; `unpack_hook` gives a tensor back from that. `pack_hook` is called at
   * once. Only one pair of hooks is allowed.
   */
  register_hooks(pack_hook: (tensor: Tensor) => unknown, unpack_hook: (packed: never) => unknown): void {
    checkHooks("register_hooks", pack_hook, unpack_hook);
    if (this.packed !== null) {
      throw new RuntimeError(
        "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of hooks is allowed at a time.",
      );
    }
    if (this === SavedTensor.none) {
      throw new RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden");
    }
    if (this.tensor === null) {
      throw new RuntimeError(
        "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved variables after calling backward.",
      );
    }
    this.pack({ pack: pack_hook, unpack: unpack_hook }, this.tensor.detach());
  }

  /** Whether the tensor has seen in-place changes since. */
  get changed(): boolean {
    return this.tensor !== null && this.tensor.version.value !== this.version;
  }

  /** Whether hooks keep the tensor. */
  get hooked(): boolean {
    return this.packed !== null;
  }

  /** Lets go of what is kept. */
  release(): void {
    this.tensor = null;
    if (this.packed === null) return;
    this.packed.hooks.release?.(this.packed.value as never);
    this.packed = RELEASED;
  }

  /** The tensor, for the node that saved it, if one did. */
  unpack(node: Node | null): Tensor {
    const { tensor, output } = this;
    if (tensor === null) {
      if (this.packed === null) throw releasedError();
      return restore(this.packed, node);
    }
    if (output === COMPUTED_INPUT && tensor.gradFn === null && node !== null && !node.keepsDetached) {
      throw new RuntimeError(
        "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not supported, please use out-of-place `.detach()` instead",
      );
    }
    if (tensor.version.value !== this.version) {
      const maker = output >= 0 ? node : tensor.historyNode;
      const which = maker
        ? `, which is output ${output >= 0 ? output : tensor.outputNumber} of ${operationName(maker)},`
        : "";
      // An op that changed the shape in place has not changed that of the output that was saved.
      const sizes = (output >= 0 && node?.outputShape?.(output)) || tensor.sizes;
      throw new RuntimeError(
        `one of the variables needed for gradient computation has been modified by an inplace operation: [torch.${scalarTypeName(tensor.dtype)}Tensor [${sizes.join(", ")}]]${which} is at version ${tensor.version.value}; expected version ${this.version} instead. Hint: ${hint()}`,
      );
    }
    if (tensor.wrapping !== null && !tensor.wrapping.level.alive) return unwrapDead(tensor);
    if (output < 0 || tensor.gradFn === node || tensor.viewInfo !== null) return tensor;
    // The user detached the output in place; its history is still this node.
    const same = tensor.detach();
    same.gradFn = node;
    same.outputNumber = output;
    return same;
  }
}

/** The end of the message, in PyTorch's words. */
function hint(): string {
  return is_anomaly_enabled()
    ? "the backtrace further above shows the operation that failed to compute its gradient. The variable in question was changed in there or anywhere later. Good luck!"
    : "enable anomaly detection to find the operation that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False).";
}

function inferenceSavedError(): RuntimeError {
  return new RuntimeError(
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.",
  );
}

/** What the unpack hook gives back, with the history of what was saved. */
function restore(packed: Packed, node: Node | null): Tensor {
  // A hook may keep what it makes, so the memory of a gradient's temporaries is not counted here.
  const data: unknown = withoutTracking(() => packed.hooks.unpack(packed.value as never));
  if (!is_tensor(data)) {
    throw new TypeError(
      `Output of saved tensor unpack_hook expected to be a Tensor but got result of type ${describe(data)}`,
    );
  }
  data.storage.kept = true;
  const gradFn = packed.isLeaf ? null : (packed.gradFn ?? node);
  if (gradFn === null && !packed.requiresGrad && !data.requires_grad) return data;
  const out = new Tensor(data.storage, data.dtype, data.sizes, data.strides, data.offset, data.contiguousLayout);
  out.version = data.version;
  if (gradFn !== null) {
    out.gradFn = gradFn;
    out.outputNumber = packed.outputNumber;
    out.gradFnVersion = out.version.value;
  } else {
    out.leafRequiresGrad = packed.requiresGrad;
    // Gradients of the copy go to the leaf itself.
    out.accumulator = packed.accumulator;
  }
  return out;
}

/** Refuses hooks that are not functions. */
export function checkHooks(name: string, pack_hook: unknown, unpack_hook: unknown): void {
  for (const [which, hook] of [
    ["pack_hook", pack_hook],
    ["unpack_hook", unpack_hook],
  ] as const) {
    if (typeof hook !== "function") {
      throw new TypeError(`${name}(): argument '${which}' must be a function, not ${describe(hook)}`);
    }
  }
}
