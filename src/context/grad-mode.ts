/** Whether operations are recorded: the value behind `torch.no_grad`, `torch.inference_mode` and their kin. */
import { ScopedValue } from "./scoped-value.ts";

/** Operations are recorded. */
export const GRAD = 1;
/** New tensors are inference tensors, and nothing is recorded, whatever `GRAD` says. */
export const INFERENCE = 2;
/** Tangents of forward mode are not computed. */
export const NO_FORWARD_GRAD = 4;

export const gradMode = new ScopedValue<number>(GRAD);

/** `mode` with recording on or off. */
export function withGrad(mode: number, enabled: boolean): number {
  return enabled ? mode | GRAD : mode & ~GRAD;
}

/** PyTorch's grad mode. */
export function is_grad_enabled(): boolean {
  return (gradMode.get() & GRAD) !== 0;
}

export function is_inference_mode_enabled(): boolean {
  return (gradMode.get() & INFERENCE) !== 0;
}

/** Whether an operation on tensors that require gradients is to be recorded now. */
export function isRecording(): boolean {
  return (gradMode.get() & (GRAD | INFERENCE)) === GRAD;
}

/** Whether tangents are computed now. */
export function isForwardGradEnabled(): boolean {
  return (gradMode.get() & (INFERENCE | NO_FORWARD_GRAD)) === 0;
}
