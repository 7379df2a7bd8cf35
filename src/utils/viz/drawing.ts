/** The picture of a history as SVG and as a web page. */
import type { Arrow, Box, BoxKind, History } from "./history.ts";
import { layOut, type Point, type Size } from "./layout.ts";

/** The colours that torchviz gave its users. */
export const COLOURS: Readonly<Record<BoxKind, string>> = {
  function: "lightgrey",
  leaf: "lightblue",
  output: "#caff70",
  saved: "orange",
  base: "#a2cd5a",
};

const FONT_SIZE = 11;
const LINE_HEIGHT = 14;
/** Of a monospaced font, for each unit of its size. */
const CHARACTER_WIDTH = 0.61;

function sizeOf(box: Box): Size {
  const longest = box.lines.reduce((n, line) => Math.max(n, line.length), 0);
  return {
    width: Math.max(40, Math.ceil(longest * FONT_SIZE * CHARACTER_WIDTH) + 14),
    height: box.lines.length * LINE_HEIGHT + 8,
  };
}

export function escapeMarkup(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  // XML allows no control characters at all, not even escaped ones.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
  return text.replace(/[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/g, "\ufffd").replace(/[&<>"']/g, (c) => entities[c]);
}

const short = (n: number): string => String(Math.round(n * 10) / 10);

function boxMarkup(box: Box, { width, height }: Size, { x, y }: Point): string {
  const top = y - height / 2;
  const first = top + 4 + FONT_SIZE;
  const lines = box.lines.map((line, i) => {
    const style = i > 0 && box.kind === "function" ? ' class="detail"' : "";
    return `<text${style} x="${short(x)}" y="${short(first + i * LINE_HEIGHT)}">${escapeMarkup(line)}</text>`;
  });
  return `<g class="${box.kind}"><title>${escapeMarkup(box.lines.join(" "))}</title><rect x="${short(x - width / 2)}" y="${short(top)}" width="${width}" height="${height}" rx="4"/>${lines.join("")}</g>`;
}

/** A curve through the points that leaves and arrives vertically. */
function curve(points: readonly Point[]): string {
  let path = `M${short(points[0].x)},${short(points[0].y)}`;
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1];
    const b = points[i];
    if (a.x === b.x) path += `V${short(b.y)}`;
    else {
      const half = (a.y + b.y) / 2;
      path += `C${short(a.x)},${short(half)} ${short(b.x)},${short(half)} ${short(b.x)},${short(b.y)}`;
    }
  }
  return path;
}

function arrowMarkup(arrow: Arrow, route: readonly Point[]): string {
  // A saved tensor is no step of the computation: a line without a head.
  const style = arrow.kind === "saved" ? ' class="saved-link"' : arrow.kind === "view" ? ' class="view-link"' : "";
  const head = arrow.kind === "saved" ? "" : ' marker-end="url(#head)"';
  return `<path${style} d="${curve(route)}"${head}/>`;
}

const STYLE = `
text{font:${FONT_SIZE}px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;text-anchor:middle;fill:#111}
.detail{fill:#444}
rect{stroke:#555;stroke-width:.8}
path{fill:none;stroke:#555;stroke-width:1}
.saved-link{stroke:#c77700}
.view-link{stroke-dasharray:2 3}
${Object.entries(COLOURS)
  .map(([kind, colour]) => `.${kind} rect{fill:${colour}}`)
  .join("\n")}
`;

/** A self-contained SVG document. */
export function toSvg(history: History): string {
  const sizes = history.boxes.map(sizeOf);
  const { width, height, boxes, routes } = layOut(sizes, history.arrows);
  const w = Math.ceil(width);
  const h = Math.ceil(height);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">`,
    `<style>${STYLE}</style>`,
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,1L7,4L0,7z" style="fill:#555;stroke:none"/></marker></defs>',
    `<rect width="${w}" height="${h}" style="fill:white;stroke:none"/>`,
    ...history.arrows.map((arrow, i) => arrowMarkup(arrow, routes[i])),
    ...history.boxes.map((box, i) => boxMarkup(box, sizes[i], boxes[i])),
    "</svg>",
    "",
  ].join("\n");
}

const LEGEND: readonly (readonly [BoxKind, string])[] = [
  ["leaf", "leaf"],
  ["function", "backward function"],
  ["output", "result"],
  ["saved", "saved for backward"],
  ["base", "base of a view"],
];

/** A web page with the picture and a legend. */
export function toHtml(history: History, title: string): string {
  const kinds = new Set(history.boxes.map((box) => box.kind));
  const legend = LEGEND.filter(([kind]) => kinds.has(kind)).map(
    ([kind, text]) => `<span><i style="background:${COLOURS[kind]}"></i>${text}</span>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escapeMarkup(title)}</title>
<style>
body{margin:0;font:14px system-ui,sans-serif;background:white;color:#111}
header{position:sticky;left:0;padding:10px 16px}
h1{font-size:16px;margin:0 0 6px}
span{margin-right:16px;white-space:nowrap}
i{display:inline-block;width:12px;height:12px;border:1px solid #555;border-radius:2px;margin-right:5px;vertical-align:-2px}
svg{display:block;margin:0 auto}
</style>
<header><h1>${escapeMarkup(title)}</h1>${legend.join("")}</header>
${toSvg(history)}</html>
`;
}
