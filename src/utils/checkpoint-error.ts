/** The error of checkpoints. */
import { RuntimeError } from "../errors.ts";

/** The function of a checkpoint did something else when it ran again. */
export class CheckpointError extends RuntimeError {
  override name = "CheckpointError";
}
