/** Stretches of forward-mode differentiation. Tangents hold as long as theirs is open. */
export class DualLevel {
  open = true;
}

let openLevels = 0;
let enabled = true;
/** Both of the above in one. */
let visible = false;

/** Whether any tensor may have a tangent: one read for each op, as long as nobody uses forward mode. */
export function tangentsMayExist(): boolean {
  return visible;
}

/** Opens a level. */
export function openLevel(): DualLevel {
  openLevels++;
  visible = enabled;
  return new DualLevel();
}

/** Ends a level and with it all of its tangents. */
export function closeLevel(level: DualLevel): void {
  if (!level.open) return;
  level.open = false;
  openLevels--;
  visible = enabled && openLevels !== 0;
}

/** Runs `body` with forward mode on, or off: then no tensor has a tangent. */
export function withForwardMode<R>(on: boolean, body: () => R): R {
  const before = enabled;
  enabled = on;
  visible = enabled && openLevels !== 0;
  try {
    return body();
  } finally {
    enabled = before;
    visible = enabled && openLevels !== 0;
  }
}
