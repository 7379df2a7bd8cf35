/** Stretches of forward-mode differentiation. Tangents hold as long as theirs is open. */
import { gradMode, isForwardGradEnabled, NO_FORWARD_GRAD } from "../context/grad-mode.ts";

export class DualLevel {
  open = true;
}

let openLevels = 0;

/** Whether any tensor may have a tangent: one read for each op, as long as nobody uses forward mode. */
export function tangentsMayExist(): boolean {
  return openLevels !== 0 && isForwardGradEnabled();
}

/** Whether there are tangents, though perhaps nobody may see them now. */
export function anyLevelOpen(): boolean {
  return openLevels !== 0;
}

/** Opens a level. */
export function openLevel(): DualLevel {
  openLevels++;
  return new DualLevel();
}

/** Ends a level and with it all of its tangents. */
export function closeLevel(level: DualLevel): void {
  if (!level.open) return;
  level.open = false;
  openLevels--;
}

/** Runs `body`, which does not await, with forward mode on, or off: then no tensor has a tangent. */
export function withForwardMode<R>(on: boolean, body: () => R): R {
  const mode = gradMode.get();
  return gradMode.runSync(on ? mode & ~NO_FORWARD_GRAD : mode | NO_FORWARD_GRAD, body);
}
