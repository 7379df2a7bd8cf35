/** Arguments that are tensors but have no gradient. */
import { isRecording } from "../../context/grad-mode.ts";
import { RuntimeError } from "../../errors.ts";
import type { Tensor } from "../../tensor.ts";

/** Throws where a gradient is asked for an argument for which `op` has none, rather than leave it out silently. */
export function refuseGradient(op: string, argument: string, x: Tensor | null): void {
  if (x?.requires_grad && isRecording()) {
    throw new RuntimeError(
      `The function '${op}' is not differentiable with respect to argument '${argument}'. This input cannot have requires_grad True.`,
    );
  }
}
