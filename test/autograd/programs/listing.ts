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

/** The program in TypeScript; what is no method there is an operation of interpreter.ts. */
export function asTypeScript(program: readonly Instruction[]): string {
  const value = (x: unknown): string => {
    if (Array.isArray(x)) {
      return x[0] === "slice" ? `new Slice(${x.slice(1).map(value).join(", ")})` : `[${x.map(value).join(", ")}]`;
    }
    return String(x);
  };
  return program
    .map(({ f, a, k, r, m }) => {
      const options = Object.entries(k ?? {}).map(([name, x]) => `${name}: ${value(x)}`);
      const rest = [...a.slice(1).map(value), ...(options.length > 0 ? [`{ ${options.join(", ")} }`] : [])];
      const method = typeof a[0] === "string" && /^v\d/.test(a[0]);
      const call = method ? `${a[0]}.${f}(${rest.join(", ")})` : `${f}(${[value(a[0] ?? ""), ...rest].join(", ")})`;
      const names = typeof r === "string" || r === undefined ? r : `[${r.join(", ")}]`;
      return `${names === undefined ? "" : `const ${names} = `}${m === undefined ? call : `${m}(() => ${call})`};`;
    })
    .join("\n");
}
