/** A little memory of each thread, in which kernels may put what they need until they return. */
import type { ModuleBuilder } from "./assembler.ts";

/** Its size. A module imports its address as the constant `env.frame`. */
export const FRAME_BYTES = 4096;

/** Imports the frame's address into `module` when it is first asked for. */
export function importFrame(module: ModuleBuilder): () => number {
  let index = -1;
  return () => {
    if (index < 0) index = module.importGlobal("env", "frame", "i32");
    return index;
  };
}
