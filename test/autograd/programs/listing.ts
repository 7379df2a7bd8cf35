/** Programs as text that a person can read and run. */
import type { Instruction } from "./interpreter.ts";

function literal(x: unknown): string {
  if (x === null) return "None";
  if (x === true) return "True";
  if (x === false) return "False";
  if (Array.isArray(x)) {
    return x[0] === "slice" ? `slice(${x.slice(1).map(literal).join(", ")})` : `[${x.map(literal).join(", ")}]`;
  }
  return String(x);
}

/** The program in Python. */
export function asPython(program: readonly Instruction[]): string {
  return program
    .map(({ f, a, k, r, m }) => {
      const args = a.map(literal);
      const rest = [...args.slice(1), ...Object.entries(k ?? {}).map(([name, x]) => `${name}=${literal(x)}`)];
      const call =
        typeof a[0] === "string" && /^v\d/.test(a[0])
          ? `${args[0]}.${f}(${rest.join(", ")})`
          : `${f}(${[args[0], ...rest].join(", ")})`;
      const line = `${r === undefined ? "" : `${r} = `}${call}`;
      return m === undefined ? line : `with ${m}: ${line}`;
    })
    .join("\n");
}
