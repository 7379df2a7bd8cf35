/** Whether backward and forward mode can run under vmap, and give there what they give one at a time. */
import { grad } from "../../autograd/backward.ts";
import { stack } from "../../ops/joining.ts";
import { randn_like } from "../../ops/random.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { batchedGrad } from "../batched-grad.ts";
import { jvp } from "../jvp.ts";
import { vmap } from "../vmap.ts";
import { batchedFailureMessage, batchedMismatchMessage, GradcheckError, isRuntimeError } from "./errors.ts";
import { isDifferentiableDType } from "./inputs.ts";
import type { Problem } from "./modes.ts";

/** How many vectors are taken at once. */
const BATCH = 2;

function randomBatch(t: Tensor): Tensor[] {
  return Array.from({ length: BATCH }, () => randn_like(t.detach()));
}

function attempt<R>(forward: boolean, body: () => R): R {
  try {
    return body();
  } catch (cause) {
    if (!isRuntimeError(cause)) throw cause;
    throw Object.assign(new GradcheckError(batchedFailureMessage(cause.message, forward)), { cause });
  }
}

const columnsOf = (rows: readonly (readonly Tensor[])[]): Tensor[] =>
  rows[0].map((_, k) => stack(rows.map((row) => row[k])));

/** Checks backward from `output`, number `position` among the differentiable ones. */
export function checkBatchedBackward(output: Tensor, inputs: readonly Tensor[], position: number): void {
  const zeros = (i: number, batch: readonly number[]): Tensor =>
    inputs[i]
      .detach()
      .new_zeros([])
      .expand([...batch, ...inputs[i].sizes]);
  const vectors = randomBatch(output);
  const expected = columnsOf(
    vectors.map((v) =>
      grad(output, inputs, { grad_outputs: v, retain_graph: true, allow_unused: true }).map(
        (g, i) => g ?? zeros(i, []),
      ),
    ),
  );
  const results = attempt(false, () =>
    batchedGrad([output], inputs, [stack(vectors)], { createGraph: false, retainGraph: true }),
  );
  for (const [i, result] of results.entries()) {
    const got = result ?? zeros(i, [BATCH]);
    if (got.allclose(expected[i])) continue;
    throw new GradcheckError(batchedMismatchMessage(got, expected[i], position, i, false));
  }
}

/** Checks forward mode from each input with a gradient. */
export function checkBatchedForward({ fn, inputs }: Problem): void {
  for (const [position, input] of inputs.entries()) {
    if (!is_tensor(input) || !input.requires_grad || !isDifferentiableDType(input.dtype)) continue;
    // jvp is forward mode with a level of its own, which is what goes inside vmap.
    const push = (tangent: Tensor): Tensor[] => {
      const along = (x: Tensor): Tensor[] =>
        fn(inputs.map((other, i) => (i === position ? x : is_tensor(other) ? other.detach() : other)));
      return jvp(along, [input.detach()], [tangent])[1] as Tensor[];
    };
    const tangents = randomBatch(input);
    const expected = columnsOf(tangents.map(push));
    const results = attempt(true, () => vmap(push)(stack(tangents)));
    for (const [k, got] of results.entries()) {
      if (got.allclose(expected[k])) continue;
      throw new GradcheckError(batchedMismatchMessage(got, expected[k], k, k, true));
    }
  }
}
