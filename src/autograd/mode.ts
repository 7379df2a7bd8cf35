/** What the library itself turns while it works. `grad-mode.ts` has the public modes. */
import { gradMode, withGrad } from "../context/grad-mode.ts";
import { anyLevelOpen } from "./dual-level.ts";

export { is_grad_enabled } from "../context/grad-mode.ts";

let freesEarly = true;

/** Whether the engine gives memory back as soon as it is sure that nobody else refers to it. */
export function earlyFrees(): boolean {
  return freesEarly && !anyLevelOpen();
}

/** Runs `body` with all memory left to the garbage collector, as transformations need it. */
export function withoutEarlyFrees<R>(body: () => R): R {
  const before = freesEarly;
  freesEarly = false;
  try {
    return body();
  } finally {
    freesEarly = before;
  }
}

/** For the library: runs `body`, which does not await, with recording on or off. */
export function withGradMode<R>(mode: boolean, body: () => R): R {
  return gradMode.runSync(withGrad(gradMode.get(), mode), body);
}
