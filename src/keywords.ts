/** Keyword arguments: one plain object at the end of a call, whose names are checked. */

/** Whether `x` can only be a set of keyword arguments. */
export function isOptions(x: unknown): x is Record<string, unknown> {
  if (typeof x !== "object" || x === null) return false;
  const prototype = Object.getPrototypeOf(x);
  return prototype === Object.prototype || prototype === null;
}

/** Refuses keyword arguments that are not among `allowed`, and names the near ones. */
export function checkKeywords(name: string, keywords: object, allowed: readonly string[]): void {
  for (const key of Object.keys(keywords)) {
    if (allowed.includes(key)) continue;
    const near = allowed.filter((a) => distance(a.toLowerCase(), key.toLowerCase()) <= Math.ceil(a.length / 3));
    const hint =
      near.length > 0
        ? `; did you mean '${near.join("' or '")}'?`
        : allowed.length > 0
          ? ` (it takes ${allowed.join(", ")})`
          : "";
    throw new TypeError(`${name}() got an unexpected keyword argument '${key}'${hint}`);
  }
}

/** Values by name, given in the order of `names`, as keywords in one trailing plain object, or both. */
export function namedArguments(
  name: string,
  names: readonly string[],
  args: readonly unknown[],
): Record<string, unknown> {
  let count = args.length;
  while (count > 0 && args[count - 1] === undefined) count--;
  const last = args[count - 1];
  const keywords = isOptions(last) ? last : {};
  if (keywords === last) count--;
  if (count > names.length) {
    throw new TypeError(`${name}() takes ${names.length} positional arguments but ${count} were given`);
  }
  checkKeywords(name, keywords, names);
  const values: Record<string, unknown> = { ...keywords };
  for (let i = 0; i < count; i++) {
    if (Object.hasOwn(keywords, names[i])) {
      throw new TypeError(`${name}() got multiple values for argument '${names[i]}'`);
    }
    values[names[i]] = args[i];
  }
  return values;
}

/** How many letters were added, left out, replaced, or swapped with their neighbour. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      let best = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, before[j - 2] + 1);
      next.push(best);
    }
    before = row;
    row = next;
  }
  return row[b.length];
}
