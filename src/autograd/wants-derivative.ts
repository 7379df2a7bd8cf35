/** What ops that have a faster form without derivatives ask before they take it. */
import { isRecording } from "../context/grad-mode.ts";
import type { Tensor } from "../tensor.ts";
import { isTransforming } from "../wrapping.ts";
import { tangentsMayExist } from "./dual-level.ts";

/**
 * Whether a derivative with respect to one of `tensors` may be asked for: by recording, by a tangent, or at another level
 * of a transformation, of which the tensors do not show anything.
 */
export function wantsDerivative(...tensors: readonly Tensor[]): boolean {
  if (isTransforming() || tangentsMayExist()) return true;
  return isRecording() && tensors.some((t) => t.requires_grad);
}
