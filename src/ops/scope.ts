/** Memory for those who want it back at once. Nobody needs this: see docs/architecture.md, "Memory". */
import { trackStorages } from "../storage/storage.ts";
import { Tensor } from "../tensor.ts";
import { isOptions } from "./define/schema.ts";

/** Tensors in a value: itself, or anywhere in arrays, maps, and plain objects. */
function* tensorsIn(value: unknown, seen: Set<unknown> = new Set()): Generator<Tensor> {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Tensor) {
    yield value;
    if (value.gradient !== null) yield* tensorsIn(value.gradient, seen);
  } else if (Array.isArray(value) || value instanceof Set) for (const v of value) yield* tensorsIn(v, seen);
  else if (value instanceof Map) for (const v of value.values()) yield* tensorsIn(v, seen);
  else if (isOptions(value)) for (const v of Object.values(value)) yield* tensorsIn(v, seen);
}

/**
 * Runs `body` and gives back the memory of all tensors made in it, except those in its result (also within arrays, maps
 * and plain objects), gradients, parameters, and optimizer states. Any other tensor made inside cannot be used afterwards,
 * and says so; this includes what a result's history saved, so call `backward()` inside.
 */
export function scope<R>(body: () => R): R {
  let result: R | undefined;
  let kept: Set<unknown> | undefined;
  trackStorages(
    () => {
      result = body();
      if (result instanceof Promise) throw new TypeError("torch.scope() takes a function that is not async");
    },
    (storage) => {
      kept ??= new Set([...tensorsIn(result)].map((t) => t.storage));
      return kept.has(storage);
    },
  );
  return result as R;
}

// `using x = …` gives memory back at the end of the block. Where the platform has no Symbol.dispose, neither has it `using`.
if (typeof Symbol.dispose === "symbol") {
  Object.defineProperty(Tensor.prototype, Symbol.dispose, {
    value(this: Tensor): void {
      this.storage.free();
    },
    configurable: true,
  });
}
