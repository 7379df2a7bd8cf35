/** `torch.vmap`: a function of one sample applied to many at once. https://pytorch.org/docs/stable/generated/torch.func.vmap.html */
import { ValueError } from "../errors.ts";
import { movedim } from "../ops/dimensions.ts";
import { is_tensor, type Tensor } from "../tensor.ts";
import { unwrapDead, wrapBatched } from "../wrapping.ts";
import { BatchLevel, type Randomness } from "./batch-level.ts";
import { synchronous } from "./level.ts";
import { flatten, type Tree, unflatten } from "./pytree.ts";

export interface VmapOptions {
  /** For each argument, which dimension of its tensors is the batch; null where they are the same for all samples. */
  readonly in_dims?: number | readonly (number | null)[];
  /** Where the batch goes in the results. */
  readonly out_dims?: number | readonly (number | null)[];
  readonly randomness?: Randomness;
}

/** A function that applies `func`, a function of one sample, to all samples of its arguments at once. */
export function vmap<A extends unknown[], R>(func: (...args: A) => R, options: VmapOptions = {}): (...args: A) => R {
  const { in_dims = 0, out_dims = 0, randomness = "error" } = options;
  return (...args) => {
    const flat = args.map((argument) => flatten(argument));
    const dims = flat.map(({ leaves }, i) => {
      const dim = typeof in_dims === "number" ? in_dims : in_dims[i];
      return leaves.map((leaf) => (is_tensor(leaf) && dim !== null ? normalized(leaf, dim) : null));
    });
    const sizes = flat.flatMap(({ leaves }, i) =>
      leaves.flatMap((leaf, k) => (dims[i][k] === null ? [] : [(leaf as Tensor).sizes[dims[i][k] as number]])),
    );
    if (sizes.length === 0) {
      throw new ValueError(
        `vmap(${func.name}, in_dims=${String(in_dims)}, ...)(<inputs>): at least one input must be batched`,
      );
    }
    const level = new BatchLevel(sizes[0], randomness);
    return level.run(() => {
      const wrapped = flat.map(({ leaves, tree }, i) =>
        unflatten(
          tree,
          leaves.map((leaf, k) =>
            dims[i][k] === null ? leaf : wrapBatched(leaf as Tensor, dims[i][k] as number, level),
          ),
        ),
      );
      const result = synchronous("vmap", func(...(wrapped as A)));
      return level.lower(() => unbatched(result, level, out_dims)) as R;
    });
  };
}

function normalized(t: Tensor, dim: number): number {
  return dim < 0 ? dim + t.sizes.length : dim;
}

function unbatched(result: unknown, level: BatchLevel, out_dims: VmapOptions["out_dims"]): unknown {
  const { leaves, tree }: { leaves: unknown[]; tree: Tree } = flatten(result);
  return unflatten(
    tree,
    leaves.map((leaf, i) => {
      if (!is_tensor(leaf)) throw new ValueError(`vmap(…): \`func\` must only return Tensors`);
      const dim = typeof out_dims === "number" ? out_dims : (out_dims?.[i] ?? 0);
      const whole =
        leaf.wrapping !== null && leaf.wrapping.level === level
          ? level.samplesFirst(leaf)
          : unwrapDead(leaf)
              .unsqueeze(0)
              .expand(level.size, ...leaf.sizes);
      return dim === 0 ? whole : movedim(whole, 0, dim);
    }),
  );
}
