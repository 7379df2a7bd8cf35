/** Structured values: tensors (and anything else) in arrays and plain objects, as PyTorch's pytrees. */

/** The structure of a value: what is at a leaf is not part of it. */
export type Tree =
  | { readonly kind: "leaf" }
  | { readonly kind: "array"; readonly children: readonly Tree[] }
  | { readonly kind: "object"; readonly keys: readonly string[]; readonly children: readonly Tree[] };

const LEAF: Tree = { kind: "leaf" };

export interface Flat {
  readonly leaves: unknown[];
  readonly tree: Tree;
}

/** Whether a value is an object literal, or one like it. */
export function isPlainObject(x: unknown): x is Record<string, unknown> {
  if (typeof x !== "object" || x === null) return false;
  const prototype: unknown = Object.getPrototypeOf(x);
  return prototype === Object.prototype || prototype === null;
}

/** The leaves of a value, from left to right, and its structure. */
export function flatten(value: unknown): Flat {
  const leaves: unknown[] = [];
  return { leaves, tree: walk(value, leaves) };
}

function walk(value: unknown, leaves: unknown[]): Tree {
  if (Array.isArray(value)) return { kind: "array", children: value.map((v) => walk(v, leaves)) };
  if (isPlainObject(value)) {
    const keys = Object.keys(value);
    return { kind: "object", keys, children: keys.map((key) => walk(value[key], leaves)) };
  }
  leaves.push(value);
  return LEAF;
}

/** The value with this structure and these leaves. */
export function unflatten(tree: Tree, leaves: readonly unknown[]): unknown {
  let next = 0;
  const build = (node: Tree): unknown => {
    if (node.kind === "leaf") return leaves[next++];
    if (node.kind === "array") return node.children.map(build);
    return Object.fromEntries(node.keys.map((key, i) => [key, build(node.children[i])]));
  };
  return build(tree);
}

/** The value with `f` applied to each leaf. */
export function mapTree(value: unknown, f: (leaf: unknown) => unknown): unknown {
  const { leaves, tree } = flatten(value);
  return unflatten(tree, leaves.map(f));
}

/** Whether two structures are the same. */
export function sameTree(a: Tree, b: Tree): boolean {
  if (a.kind === "leaf" || b.kind === "leaf") return a.kind === b.kind;
  if (a.children.length !== b.children.length || a.kind !== b.kind) return false;
  if (a.kind === "object" && b.kind === "object" && a.keys.some((key, i) => key !== b.keys[i])) return false;
  return a.children.every((child, i) => sameTree(child, b.children[i]));
}

/** A structure as PyTorch's errors show it. */
export function treeText(tree: Tree): string {
  if (tree.kind === "leaf") return "*";
  const children = tree.children.map(treeText);
  if (tree.kind === "object") return `{${tree.keys.map((key, i) => `'${key}': ${children[i]}`).join(", ")}}`;
  return `(${children.join(", ")}${children.length === 1 ? "," : ""})`;
}

/** The same as the object that describes it in PyTorch. */
export function treeSpecText(tree: Tree): string {
  const inner = (node: Tree): string => (node.kind === "leaf" ? "*" : treeSpecText(node));
  if (tree.kind === "leaf") return "TreeSpec(*, None, [])";
  const children = tree.children.map(inner).join(",\n  ");
  return tree.kind === "array"
    ? `TreeSpec(tuple, None, [${children}])`
    : `TreeSpec(dict, [${tree.keys.map((key) => `'${key}'`).join(", ")}], [${children}])`;
}
