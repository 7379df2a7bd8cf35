/** The history as text for Graphviz: https://graphviz.org/doc/info/lang.html */
import { COLOURS } from "./drawing.ts";
import type { Arrow, Box, History } from "./history.ts";

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replace(/\r?\n/g, "\\n")}"`;
}

function boxLine(box: Box, i: number): string {
  const label = box.lines.map((line) => quote(line).slice(1, -1)).join("\\n");
  return `  n${i} [label="${label}" fillcolor=${quote(COLOURS[box.kind])}]`;
}

function arrowLine({ from, to, kind }: Arrow): string {
  const style = kind === "saved" ? " [dir=none]" : kind === "view" ? " [style=dotted]" : "";
  return `  n${from} -> n${to}${style}`;
}

export function toDot(history: History): string {
  return [
    "digraph {",
    "  node [shape=box style=filled fontname=monospace fontsize=10 height=0.2 ranksep=0.1 align=left]",
    ...history.boxes.map(boxLine),
    ...history.arrows.map(arrowLine),
    "}",
    "",
  ].join("\n");
}
