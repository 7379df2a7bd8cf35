/** `torch.utils.viz`: pictures of the history of tensors, after torchviz (https://github.com/szagoruyko/pytorchviz). */
import { describe } from "../../shape.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { toDot } from "./dot.ts";
import { toHtml, toSvg } from "./drawing.ts";
import { type History, historyOf } from "./history.ts";

export interface MakeDotOptions {
  /** Names of the leaves, such as those of `module.named_parameters()`. */
  readonly params?: Iterable<readonly [string, Tensor]> | Readonly<Record<string, Tensor>> | null;
  /** Show what nodes keep besides tensors, such as dimensions. Default false. */
  readonly show_attrs?: boolean;
  /** Show the tensors that nodes keep for backward. Default false. */
  readonly show_saved?: boolean;
  /** Longer attributes are cut. Default 50. */
  readonly max_attr_chars?: number;
}

/** A directed graph to look at. */
export class Digraph {
  readonly #history: History;
  constructor(history: History) {
    this.#history = history;
  }

  /** The text that Graphviz draws. */
  get source(): string {
    return toDot(this.#history);
  }

  /** A picture: an SVG document that needs nothing else. */
  svg(): string {
    return toSvg(this.#history);
  }

  /** A web page with the picture and a legend. */
  html(options: { readonly title?: string } = {}): string {
    return toHtml(this.#history, options.title ?? "History of a tensor");
  }

  toString(): string {
    return this.source;
  }
}

function namesOf(params: MakeDotOptions["params"]): Map<Tensor, string> {
  if (params === null || params === undefined) return new Map();
  const entries = Symbol.iterator in params ? params : Object.entries(params);
  const names = new Map<Tensor, string>();
  for (const [name, tensor] of entries as Iterable<readonly [string, Tensor]>) {
    if (!is_tensor(tensor)) throw new TypeError(`make_dot(): parameter '${name}' is ${describe(tensor)}, not a Tensor`);
    names.set(tensor, name);
  }
  return names;
}

/**
 * The history that leads to `outputs`: leaves with their names and shapes on top, then the functions that backward will
 * run, in the order of forward. Call it before backward frees what `show_attrs` and `show_saved` show.
 *
 * ```ts
 * import * as torch from "kindling";
 *
 * const net = new torch.nn.Linear(3, 2);
 * const loss = net(torch.ones(4, 3)).square().mean();
 * const graph = torch.utils.viz.make_dot(loss, { params: net.named_parameters() });
 * console.log(graph.svg().startsWith("<svg")); // → true
 * ```
 */
export function make_dot(outputs: Tensor | readonly Tensor[], options: MakeDotOptions = {}): Digraph {
  const roots: readonly unknown[] = is_tensor(outputs) ? [outputs] : outputs;
  for (const t of roots) if (!is_tensor(t)) throw new TypeError(`make_dot() takes Tensors, not ${describe(t)}`);
  return new Digraph(
    historyOf(roots as Tensor[], {
      names: namesOf(options.params),
      showAttributes: options.show_attrs ?? false,
      showSaved: options.show_saved ?? false,
      maxAttributeCharacters: options.max_attr_chars ?? 50,
    }),
  );
}
