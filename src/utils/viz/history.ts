/** The history of tensors as boxes and arrows, for drawing. */
import type { Node } from "../../autograd/node.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { dtypeName, shapeLabel } from "./labels.ts";

/** What a box stands for; each kind has its colour. */
export type BoxKind = "function" | "leaf" | "output" | "saved" | "base";

export interface Box {
  readonly kind: BoxKind;
  /** The first line is the title; further ones are details. */
  readonly lines: readonly string[];
}

export interface Arrow {
  /** Numbers of boxes. */
  readonly from: number;
  readonly to: number;
  /** `saved`: a tensor kept for backward; `view`: from a base to a view of it. */
  readonly kind: "flow" | "saved" | "view";
}

/** Boxes with arrows in the direction of forward. */
export interface History {
  readonly boxes: readonly Box[];
  readonly arrows: readonly Arrow[];
}

export interface HistoryOptions {
  /** Names of tensors, shown at the leaves. */
  readonly names: ReadonlyMap<Tensor, string>;
  readonly showAttributes: boolean;
  readonly showSaved: boolean;
  /** Longer values of attributes are cut. */
  readonly maxAttributeCharacters: number;
}

/** Saved attributes of a node: `self` for `_saved_self`. Nothing where they were freed. */
function savedAttributes(node: Node): [string, unknown][] {
  const found: [string, unknown][] = [];
  const seen = new Set<string>();
  for (let at: object | null = node; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const key of Object.getOwnPropertyNames(at)) {
      if (!key.startsWith("_saved_") || seen.has(key)) continue;
      seen.add(key);
      try {
        found.push([key.slice("_saved_".length), (node as unknown as Record<string, unknown>)[key]]);
      } catch {
        // Freed by backward.
      }
    }
  }
  return found;
}

function valueText(value: unknown, limit: number): string {
  if (is_tensor(value)) return `[saved tensor]`;
  const text = Array.isArray(value) ? `(${value.map(String).join(", ")})` : value === null ? "None" : String(value);
  return text.length > limit ? `${text.slice(0, limit)}...` : text;
}

/** Walks from the roots against the flow, without recursion: histories may be deep. */
class Walk {
  readonly boxes: Box[] = [];
  readonly arrows: Arrow[] = [];
  private readonly numbers = new Map<object, number>();
  private readonly pending: Node[] = [];
  private readonly options: HistoryOptions;

  constructor(options: HistoryOptions) {
    this.options = options;
  }

  private add(key: object, kind: BoxKind, lines: string[]): number {
    const number = this.boxes.push({ kind, lines }) - 1;
    this.numbers.set(key, number);
    return number;
  }

  /** The box of a tensor; views have their base beside them. */
  private tensorBox(tensor: Tensor, kind: BoxKind): number {
    const known = this.numbers.get(tensor);
    if (known !== undefined) return known;
    const name = this.options.names.get(tensor);
    const shape = shapeLabel(tensor.shape);
    const details = dtypeName(tensor.dtype);
    return this.add(tensor, kind, [
      ...(name === undefined ? [] : [name]),
      details === "" ? shape : `${shape} ${details}`,
    ]);
  }

  private functionBox(node: Node): number {
    const known = this.numbers.get(node);
    if (known !== undefined) return known;
    const lines = [node.name().replace("torch::autograd::", "")];
    if (this.options.showAttributes) {
      for (const [name, value] of savedAttributes(node)) {
        lines.push(`${name}: ${valueText(value, this.options.maxAttributeCharacters)}`);
      }
    }
    const number = this.add(node, "function", lines);
    this.pending.push(node);
    return number;
  }

  addRoot(root: Tensor): void {
    const node = root.grad_fn;
    const box = this.tensorBox(root, node === null ? "leaf" : "output");
    if (node !== null) this.arrows.push({ from: this.functionBox(node), to: box, kind: "flow" });
    const base = root._base;
    if (node !== null && base !== null && this.options.showSaved) {
      this.arrows.push({ from: this.tensorBox(base, "base"), to: box, kind: "view" });
    }
  }

  run(): History {
    for (let node = this.pending.pop(); node !== undefined; node = this.pending.pop()) {
      const to = this.functionBox(node);
      if (this.options.showSaved) this.addSaved(node, to);
      const variable = (node as Node & { readonly variable?: unknown }).variable;
      if (is_tensor(variable)) {
        this.arrows.push({ from: this.tensorBox(variable, "leaf"), to, kind: "flow" });
      }
      for (const [next] of node.next_functions) {
        if (next !== null) this.arrows.push({ from: this.functionBox(next), to, kind: "flow" });
      }
    }
    return { boxes: this.boxes, arrows: this.arrows };
  }

  private addSaved(node: Node, box: number): void {
    for (const [name, value] of savedAttributes(node)) {
      const tensors = Array.isArray(value)
        ? value.map((v, i) => [`${name}[${i}]`, v] as const)
        : [[name, value] as const];
      for (const [label, tensor] of tensors) {
        if (!is_tensor(tensor)) continue;
        const lines = [label, shapeLabel(tensor.shape)];
        const leaf = tensor.is_leaf && tensor.requires_grad;
        const saved = leaf ? this.tensorBox(tensor, "leaf") : this.boxes.push({ kind: "saved", lines }) - 1;
        this.arrows.push({ from: saved, to: box, kind: "saved" });
      }
    }
  }
}

/** The history that leads to `roots`. */
export function historyOf(roots: readonly Tensor[], options: HistoryOptions): History {
  const walk = new Walk(options);
  for (const root of roots) walk.addRoot(root);
  return walk.run();
}
