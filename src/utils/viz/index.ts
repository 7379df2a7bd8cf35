/** `torch.utils.viz`: pictures of the history of tensors, after torchviz (https://github.com/szagoruyko/pytorchviz). */
import { NotImplementedError, ValueError } from "../../errors.ts";
import { describe } from "../../shape.ts";
import { is_tensor, type Tensor } from "../../tensor.ts";
import { toDot } from "./dot.ts";
import { toHtml, toSvg } from "./drawing.ts";
import { type History, historyOf } from "./history.ts";

export interface MakeDotOptions {
  /** Names of the leaves: a module, its `named_parameters()`, or tensors by name. */
  readonly params?: Iterable<readonly [string, Tensor]> | Readonly<Record<string, Tensor>> | HasParameters | null;
  /** Show what nodes keep besides tensors, such as dimensions. Default false. */
  readonly show_attrs?: boolean;
  /** Show the tensors that nodes keep for backward. Default false. */
  readonly show_saved?: boolean;
  /** Longer attributes are cut. Default 50. */
  readonly max_attr_chars?: number;
}

/** A module, or whatever else knows its parameters by name. */
export interface HasParameters {
  named_parameters(): Iterable<readonly [string, Tensor]>;
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

  /** Writes the picture to a file, in Node: `.svg`, `.html`, or the text for Graphviz as `.dot` or `.gv`. */
  async save(path: string): Promise<void> {
    const ending = /\.\w+$/.exec(path)?.[0].toLowerCase();
    let text: string;
    if (ending === ".svg") text = this.svg();
    else if (ending === ".html") text = this.html();
    else if (ending === ".dot" || ending === ".gv") text = this.source;
    else throw new ValueError(`save() writes .svg, .html, .dot and .gv, not '${path}'`);
    if (typeof process === "undefined") {
      throw new NotImplementedError("save() needs a file system: use what svg(), html() or source give");
    }
    const { writeFile } = await import("node:fs/promises");
    await writeFile(path, text);
  }

  toString(): string {
    return this.source;
  }
}

function namesOf(params: MakeDotOptions["params"]): Map<Tensor, string> {
  if (params === null || params === undefined) return new Map();
  let entries: Iterable<readonly [string, unknown]>;
  if (Symbol.iterator in params) entries = params;
  else if (typeof params.named_parameters === "function") entries = params.named_parameters();
  else entries = Object.entries(params);
  const names = new Map<Tensor, string>();
  for (const [name, tensor] of entries) {
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
 * const graph = torch.utils.viz.make_dot(loss, { params: net });
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
