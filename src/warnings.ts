/** Warnings, each shown once, as Python shows them by default. */

const shown = new Set<string>();

/** Shows a warning with `console.warn`, unless the same text was shown before. */
export function warn(text: string, category = "UserWarning"): void {
  const line = `${category}: ${text}`;
  if (shown.has(line)) return;
  shown.add(line);
  console.warn(line);
}

/** For tests: shows warnings again that were shown before. */
export function forgetWarnings(): void {
  shown.clear();
}
