/** Several results that also have names: `const r = x.max(1); r.values; r[1]; const [values, indices] = r`. */
import { RuntimeError } from "../../errors.ts";
import type { Tensor } from "../../tensor.ts";
import { intoOut } from "./out.ts";

/** An array of tensors that has PyTorch's field names too. */
export type NamedTensors<K extends string> = Iterable<Tensor> & {
  readonly length: number;
  readonly [position: number]: Tensor;
} & Readonly<Record<K, Tensor>>;

/** What `max(dim)`, `sort`, `topk` and their like give. */
export type ValuesIndices = NamedTensors<"values" | "indices">;

/** Declares a kind of result; `name` is what printing shows. The result is an array, `Array.isArray` included. */
export function namedTensors<K extends string>(
  name: string,
  fields: readonly K[],
): (tensors: readonly Tensor[]) => NamedTensors<K> {
  class Result extends Array<Tensor> {
    static override get [Symbol.species](): ArrayConstructor {
      return Array;
    }
  }
  Object.defineProperty(Result, "name", { value: `torch.return_types.${name}` });
  fields.forEach((field, i) => {
    Object.defineProperty(Result.prototype, field, {
      get(this: Tensor[]) {
        return this[i];
      },
      configurable: true,
    });
  });
  return (tensors) => {
    const result = new Result();
    for (const t of tensors) result.push(t);
    return result as unknown as NamedTensors<K>;
  };
}

export const valuesAndIndices = (name: string): ((tensors: readonly Tensor[]) => ValuesIndices) =>
  namedTensors(name, ["values", "indices"]);

/** The `out` of an op with several results: the results go into the given tensors, which become the results. */
export function intoAll(out: readonly Tensor[] | null, results: readonly Tensor[]): readonly Tensor[] {
  if (out === null) return results;
  if (out.length !== results.length) {
    throw new TypeError(`argument 'out' must be tuple of ${results.length} Tensors, not of ${out.length}`);
  }
  results.forEach((r, i) => {
    if (out[i].dtype !== r.dtype) {
      throw new RuntimeError(`Expected out tensor to have dtype ${r.dtype.name}, but got ${out[i].dtype.name} instead`);
    }
  });
  return results.map((r, i) => intoOut(out[i], r));
}
