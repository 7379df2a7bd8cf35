/**
 * Checks that the files in src/ import in one direction only, so that every part can be read, tested and shipped with
 * nothing but the parts before it. The table below is the one place that says what the order is.
 *
 *   node tools/check-imports.ts [folder]
 *
 * Rules:
 * - direction: a file imports from its own layer or from layers before it. `import type` is erased and thus harmless at
 *   run time, but still ties the reader to what is named: only the pairs in `typeExceptions` may point the other way.
 * - cycle: no chain of static value imports leads back to the file it starts from.
 * - node: a file that a browser loads has no static import of a `node:` module (a dynamic one is fine), directly or
 *   through a file for Node only.
 * - unknown file: every file belongs to a layer.
 */
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, posix, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";

interface Layer {
  readonly name: string;
  /** Names directly under src/: each stands for the file `name.ts` or the folder `name/`. */
  readonly parts: readonly string[];
  /** Whether the layer may have files for Node only: `node.ts`, `something.node.ts`, or all files in a folder `node/`. */
  readonly hasNodeFiles?: boolean;
}

/** The layers, first to last. */
export const layers: readonly Layer[] = [
  {
    name: "tables",
    parts: ["errors", "dtype", "elements", "device", "shape", "scalar", "keywords", "warnings", "context"],
  },
  { name: "random", parts: ["random"] },
  { name: "ir", parts: ["ir"] },
  { name: "backend", parts: ["backend"] },
  { name: "storage", parts: ["storage"] },
  { name: "print", parts: ["print"] },
  { name: "tensor", parts: ["tensor", "wrapping"] },
  { name: "autograd", parts: ["autograd"] },
  { name: "dispatch", parts: ["dispatch"] },
  { name: "ops", parts: ["ops"] },
  { name: "torch", parts: ["torch"] },
  { name: "nn", parts: ["nn"] },
  { name: "transformations", parts: ["func", "compile"] },
  { name: "optim", parts: ["optim"] },
  { name: "utils", parts: ["utils"] },
  { name: "serialization", parts: ["serialization", "onnx"], hasNodeFiles: true },
  { name: "hub", parts: ["hub"], hasNodeFiles: true },
  { name: "distributed", parts: ["distributed"], hasNodeFiles: true },
  { name: "vision", parts: ["vision"], hasNodeFiles: true },
  { name: "entry", parts: ["index"] },
];

/** Layers whose types name each other: a tensor has a `grad_fn` and the ops' methods, and all three speak of tensors. */
const typeExceptions = { from: ["tensor", "autograd", "dispatch"], to: ["autograd", "dispatch", "ops"] };

export interface Violation {
  /** Path relative to the checked folder, with forward slashes. */
  file: string;
  line: number;
  rule: "direction" | "cycle" | "node" | "unknown file" | "outside";
  message: string;
}

type ImportKind = "value" | "type" | "dynamic";

interface Import {
  line: number;
  kind: ImportKind;
  specifier: string;
  /** The imported file, relative to the checked folder; `undefined` for a package or a built-in module. */
  target: string | undefined;
}

/** Checks all TypeScript files in a folder that is laid out as src/ is. */
export function checkImports(folder: string): Violation[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((file) => file.split(sep).join("/"))
    .filter((file) => file.endsWith(".ts"))
    .sort();
  const imports = new Map(files.map((file) => [file, findImports(file, readFileSync(join(folder, file), "utf8"))]));
  return [...files.flatMap((file) => checkFile(file, imports.get(file)!)), ...findCycles(imports)];
}

function checkFile(file: string, imports: readonly Import[]): Violation[] {
  const layer = layerOf(file);
  if (layer === undefined) {
    const message = `belongs to no layer: add '${partOf(file)}' to the table in tools/check-imports.ts`;
    return [{ file, line: 1, rule: "unknown file", message }];
  }
  return imports.flatMap(({ line, kind, specifier, target }): Violation[] => {
    if (target === undefined) {
      if (kind !== "value" || !isBuiltin(specifier) || isNodeFile(file)) return [];
      const message = `static import of '${specifier}' in a file that a browser loads: use a dynamic import`;
      return [{ file, line, rule: "node", message }];
    }
    if (target.startsWith("../")) return [{ file, line, rule: "outside", message: `'${specifier}' is outside src/` }];
    const targetLayer = layerOf(target);
    if (targetLayer === undefined) return []; // reported where that file is checked
    const violations: Violation[] = [];
    const isException =
      kind === "type" && typeExceptions.from.includes(layer.name) && typeExceptions.to.includes(targetLayer.name);
    if (layers.indexOf(targetLayer) > layers.indexOf(layer) && !isException) {
      const message = `${kind} import of '${target}': layer '${layer.name}' comes before layer '${targetLayer.name}'`;
      violations.push({ file, line, rule: "direction", message });
    }
    if (kind === "value" && isNodeFile(target) && !isNodeFile(file)) {
      const message = `static import of '${target}', which is for Node only, in a file that a browser loads`;
      violations.push({ file, line, rule: "node", message });
    }
    return violations;
  });
}

/** `nn` for `nn/linear.ts`, `dtype` for `dtype.ts`. */
function partOf(file: string): string {
  return file.split("/")[0].replace(/\.ts$/, "");
}

function layerOf(file: string): Layer | undefined {
  return layers.find((layer) => layer.parts.includes(partOf(file)));
}

function isNodeFile(file: string): boolean {
  return layerOf(file)?.hasNodeFiles === true && /(^|\/)node\/|[/.]node\.ts$/.test(file);
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith("node:") || builtinModules.includes(specifier.split("/")[0]);
}

// A statement at the start of a line (`import "x"`, `import … from "x"`, `export … from "x"`), or `import("x")` anywhere.
// `import { type A } from "x"` is a value import: the module is still loaded.
const statement =
  /^[ \t]*(?:import|export)(\s+type\b(?!\s*from\b))?\s*(?:[\w*{][\w\s*{},$]*?\bfrom\s*|[{][^}]*[}]\s*from\s*)?["']([^"'\n]+)["']/gm;
const dynamicImport = /\bimport\s*\(\s*["']([^"'\n]+)["']/g;

function findImports(file: string, source: string): Import[] {
  const code = blankCommentsAndTemplates(source);
  const make = (index: number, kind: ImportKind, specifier: string): Import => ({
    line: source.slice(0, index).split("\n").length,
    kind,
    specifier,
    target: specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : undefined,
  });
  const found: Import[] = [];
  for (const match of code.matchAll(statement)) {
    const index = match.index + match[0].search(/\S/);
    found.push(make(index, match[1] === undefined ? "value" : "type", match[2]));
  }
  for (const match of code.matchAll(dynamicImport)) found.push(make(match.index, "dynamic", match[1]));
  return found.sort((a, b) => a.line - b.line);
}

/** Replaces what may contain text that looks like an import by spaces, keeping line numbers. */
function blankCommentsAndTemplates(source: string): string {
  const tokens = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return source.replace(tokens, (token) => (/^["']/.test(token) ? token : token.replace(/[^\n]/g, " ")));
}

/** One violation for each import that closes a circle, found by a depth-first walk. */
function findCycles(imports: ReadonlyMap<string, readonly Import[]>): Violation[] {
  const violations: Violation[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    path.push(file);
    for (const { kind, target, line } of imports.get(file) ?? []) {
      if (kind !== "value" || target === undefined || done.has(target)) continue;
      const start = path.indexOf(target);
      if (start < 0) visit(target);
      else {
        const message = `circular import: ${[...path.slice(start), target].join(" → ")}`;
        violations.push({ file, line, rule: "cycle", message });
      }
    }
    path.pop();
    done.add(file);
  };
  for (const file of imports.keys()) if (!done.has(file)) visit(file);
  return violations;
}

function main(): void {
  const folder = process.argv[2] ?? join(import.meta.dirname, "..", "src");
  const violations = checkImports(folder);
  const shown = relative(process.cwd(), folder) || ".";
  for (const { file, line, rule, message } of violations)
    console.error(`${shown}/${file}:${line}: ${rule}: ${message}`);
  if (violations.length > 0) {
    console.error(`${violations.length} import rule violation${violations.length > 1 ? "s" : ""}`);
    process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
