/** Stretches of forward-mode differentiation. Tangents hold as long as theirs is open. */
export class DualLevel {
  open = true;
}

let openLevels = 0;

/** Whether any tensor may have a tangent: one read for each op, as long as nobody uses forward mode. */
export function tangentsMayExist(): boolean {
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
