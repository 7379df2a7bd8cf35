/**
 * Checkpoints without reentrant backward: while the function runs, saved tensors are replaced by placeholders, and the
 * first that backward asks for has the function run again. Built on hooks of saved tensors, so a checkpoint within another
 * one works: its inputs are saved tensors of the outer one.
 * https://pytorch.org/docs/stable/checkpoint.html; Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear memory
 * cost", https://arxiv.org/abs/1604.06174
 */
import { currentGraphTask } from "../autograd/graph-task.ts";
import { withGradMode } from "../autograd/mode.ts";
import { allowedHooks, SavedTensor, type SavedTensorHooks, savedTensorHooks } from "../autograd/saved-tensor.ts";
import type { DType } from "../dtype.ts";
import { AssertionError } from "../errors.ts";
import { sizeToString } from "../print/index.ts";
import { type Shape, sameShape } from "../shape.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { CheckpointError } from "./checkpoint-error.ts";

/** What a recomputed tensor must have in common with the one that was saved. */
interface Kind {
  readonly sizes: Shape;
  readonly dtype: DType;
  readonly device: string;
}

function kindOf({ sizes, dtype, device }: Tensor): Kind {
  return { sizes, dtype, device: device.type };
}

function sameKind(a: Kind, b: Kind): boolean {
  return a.dtype === b.dtype && a.device === b.device && sameShape(a.sizes, b.sizes);
}

function kindText({ sizes, dtype, device }: Kind): string {
  return `{'shape': ${sizeToString(sizes)}, 'dtype': ${dtype}, 'device': device(type='${device}')}`;
}

/** Stands for a tensor that is not kept. */
interface Holder {
  readonly position: number;
  readonly kind: Kind | null;
  /** Its node has run, or it is not needed for another reason. */
  released: boolean;
}

/** One time that the function has run again. */
interface Recomputation {
  /** How many tensors were saved so far. */
  count: number;
  done: boolean;
  /** By position: the tensor; null once it was used. */
  readonly tensors: (Tensor | null)[];
  readonly kinds: (Kind | null)[];
}

/** Ends a recomputation that has made all that is needed. */
class StopRecomputation extends Error {}

const TIP = `
Tip: To see a more detailed error message, either pass \`debug=True\` to
\`torch.utils.checkpoint.checkpoint(...)\` or wrap the code block
with \`with torch.utils.checkpoint.set_checkpoint_debug_enabled(True):\` to
enable checkpoint‑debug mode globally.
`;

export interface FrameOptions {
  /** Runs the function again. */
  readonly recompute: (args: readonly unknown[]) => void;
  /** End the recomputation with the last tensor that is needed. */
  readonly earlyStop: boolean;
  /** Compare shapes and dtypes of recomputed tensors with those of the saved ones. */
  readonly checked: boolean;
  /** Called with a mismatch; throws what the user sees. */
  readonly explain: ((error: CheckpointError) => never) | null;
}

/** One call of a checkpointed function. */
export class CheckpointFrame {
  private readonly options: FrameOptions;
  private readonly args: readonly unknown[];
  private readonly holders: Holder[] = [];
  private readonly recomputations = new Map<number, Recomputation>();
  private forwardCompleted = false;
  /** Backward ran within the function and saved more: its tensors cannot be compared. */
  private ignoreMismatch = false;

  /** Saves the arguments, through the hooks that are in force outside. */
  constructor(args: readonly unknown[], options: FrameOptions) {
    this.options = options;
    this.args = args.map((a) => (is_tensor(a) ? new SavedTensor(a) : a));
  }

  /** Runs the function for the first time, keeping nothing of what it saves. */
  forward<R>(body: () => R): R {
    const result = within(
      {
        pack: (tensor) => {
          const holder: Holder = {
            position: this.holders.length,
            kind: this.options.checked ? kindOf(tensor) : null,
            released: false,
          };
          this.holders.push(holder);
          return holder;
        },
        unpack: (holder: Holder) => this.unpack(holder),
        release: (holder: Holder) => {
          holder.released = true;
        },
      },
      body,
    );
    this.forwardCompleted = true;
    return result;
  }

  private unpack(holder: Holder): Tensor {
    const { explain } = this.options;
    if (explain === null) return this.recomputed(holder);
    try {
      return this.recomputed(holder);
    } catch (error) {
      if (error instanceof CheckpointError) explain(error);
      throw error;
    }
  }

  private recomputed(holder: Holder): Tensor {
    const task = currentGraphTask();
    // Each backward pass recomputes for itself, so that what it has used can go at once.
    const id = task === null ? -1 : task.id;
    let run = this.recomputations.get(id);
    if (run === undefined) {
      run = { count: 0, done: false, tensors: [], kinds: [] };
      const { recomputations } = this;
      recomputations.set(id, run);
      // Not a reference to this frame: with its last node it goes, and the arguments with it, before the pass ends.
      task?.atEnd.push(() => recomputations.delete(id));
    }
    try {
      if (!run.done) this.recompute(run);
      const tensor = run.tensors[holder.position];
      if (tensor === null) {
        throw new CheckpointError(
          "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked once. If you are calling ctx.saved_tensors in backward, make sure to do so only once. Otherwise please open an issue with details on your use case.",
        );
      }
      if (tensor === undefined) throw unexpected();
      run.tensors[holder.position] = null;
      return tensor;
    } finally {
      if (task === null) this.recomputations.delete(id);
    }
  }

  private recompute(run: Recomputation): void {
    const args = this.args.map((a) => (a instanceof SavedTensor ? a.unpack(null) : a));
    try {
      within({ pack: (tensor) => this.keep(tensor, run), unpack: (tensor: Tensor) => tensor }, () =>
        withGradMode(true, () => this.options.recompute(args)),
      );
    } catch (error) {
      if (!(error instanceof StopRecomputation)) throw error;
    }
    run.done = true;
    this.check(run);
  }

  /** Takes what the function saves when it runs again. */
  private keep(saved: Tensor, run: Recomputation): Tensor {
    const { earlyStop, checked } = this.options;
    const tensor = saved.requires_grad ? saved.detach() : saved;
    const position = run.count++;
    if (position >= this.holders.length) {
      if (earlyStop) throw unexpected();
      if (!this.forwardCompleted) {
        this.ignoreMismatch = true;
        return tensor;
      }
      throw new CheckpointError(
        `torch.utils.checkpoint: trying to save more tensors during recomputation than during the original forward pass.\n${TIP}`,
      );
    }
    if (!this.holders[position].released) run.tensors[position] = tensor;
    run.kinds[position] = checked ? kindOf(tensor) : null;
    if (earlyStop && run.count === this.holders.length) throw new StopRecomputation();
    return tensor;
  }

  private check(run: Recomputation): void {
    if (this.ignoreMismatch) return;
    const { holders } = this;
    if (run.count !== holders.length) {
      throw new CheckpointError(
        `torch.utils.checkpoint: A different number of tensors was saved during the original forward and recomputation.\nNumber of tensors saved during forward: ${holders.length}\nNumber of tensors saved during recomputation: ${run.count}.\n${TIP}`,
      );
    }
    let mismatches = "";
    for (const { position, kind, released } of holders) {
      const now = run.kinds[position];
      if (released || kind === null || now === null || sameKind(kind, now)) continue;
      mismatches += `tensor at position ${position}:\nsaved metadata: ${kindText(kind)}\nrecomputed metadata: ${kindText(now)}\n`;
    }
    if (mismatches !== "") {
      throw new CheckpointError(
        `torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than during the forward pass.\n${mismatches}.\n${TIP}`,
      );
    }
  }
}

/** The checkpoint's own hooks hide those outside. */
function within<R>(hooks: SavedTensorHooks, body: () => R): R {
  return savedTensorHooks.runSync(allowedHooks(hooks), body);
}

function unexpected(): AssertionError {
  return new AssertionError("Something went unexpectedly wrong in activation checkpoint.");
}
