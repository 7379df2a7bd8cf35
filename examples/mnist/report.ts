/** The page about a training run: one HTML file that asks for no other. */
import type { Tensor } from "kindling";
import type { MNIST } from "kindling/vision/datasets";
import { bitmap, diverging } from "./bitmap.ts";
import { lossChart } from "./chart.ts";
import type { Evaluation } from "./evaluate.ts";
import type { Net } from "./network.ts";
import type { Options } from "./options.ts";

export interface Run {
  options: Options;
  /** How many digits were trained on. */
  trained: number;
  losses: number[];
  /** One after each epoch. */
  tests: Evaluation[];
  /** Training images a second in the last epoch. */
  speed: number;
  net: Net;
  /** The test digits. */
  digits: MNIST<Tensor>;
}

export function renderReport(run: Run): string {
  const { tests, options } = run;
  const last = tests[tests.length - 1];
  const parameters = [...run.net.parameters()].reduce((n, p) => n + p.numel(), 0);
  const tiles = [
    [percent(last.accuracy), `of ${number(run.digits.length)} test digits read right`],
    [number(Math.round(run.speed)), "training images a second, on one thread"],
    [number(parameters), "parameters in the network"],
    [String(options.epochs), `epoch${options.epochs > 1 ? "s" : ""} over ${number(run.trained)} digits`],
  ];
  const stepsInEpoch = Math.ceil(run.trained / options.batch_size);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kindling: handwritten digits</title>
<style>${STYLE}</style>
<main>
<header>
<h1>Kindling learned to read digits</h1>
<p>A small convolutional network, trained in TypeScript on the MNIST digits. Test accuracy after each epoch:
${tests.map((t) => percent(t.accuracy)).join(", ")}.</p>
</header>
<div class="tiles">${tiles.map(([value, label]) => `<div><b>${value}</b><span>${label}</span></div>`).join("")}</div>
<section><h2>Loss</h2>
<p>Cross-entropy of each batch of ${options.batch_size} digits, on a logarithmic axis; the dark line is its running mean.</p>
${lossChart(run.losses, stepsInEpoch)}</section>
<section><h2>Which digit is taken for which</h2>
<p>Rows are the digits that were written, columns what the network read. What lies on the diagonal is right.</p>
${confusionTable(run.digits.targets.tolist() as number[], last.predictions)}</section>
<section><h2>What the first layer looks for</h2>
<p>Its six filters of 5×5 pixels: <span class="red">red</span> wants ink, <span class="blue">blue</span> wants paper.</p>
<div class="filters">${filters(run.net)}</div></section>
<section><h2>Digits it reads wrong</h2>
<p>The ones of which it was most certain: what was written → what it read, and how sure it was.</p>
<div class="digits">${wrongDigits(run.digits, last)}</div></section>
<section><h2>Digits it reads right</h2>
<p>The first of the test set.</p>
<div class="digits">${rightDigits(run.digits, last)}</div></section>
<section><h2>The network</h2>
<pre>${escapeHtml(String(run.net))}</pre>
<p>SGD with Nesterov momentum 0.9, learning rate up to ${options.lr} in one cycle, seed ${options.seed}.</p></section>
</main>
</html>
`;
}

function confusionTable(written: readonly number[], read: readonly number[]): string {
  const counts = Array.from({ length: 10 }, () => new Array<number>(10).fill(0));
  for (let i = 0; i < written.length; i++) counts[written[i]][read[i]]++;
  const digits = counts.map((_, i) => i);
  const mostWrong = Math.max(1, ...counts.flatMap((row, i) => row.filter((_, j) => i !== j)));
  const rows = counts.map((row, i) => {
    const total = row.reduce((a, n) => a + n, 0);
    const cells = row.map((n, j) => {
      const part = i === j ? n / Math.max(1, total) : n / mostWrong;
      const colour =
        i === j
          ? `rgb(46 125 50 / ${(0.15 + 0.75 * part ** 8).toFixed(2)})`
          : `rgb(203 67 53 / ${(0.8 * part).toFixed(2)})`;
      return `<td style="background:${colour}" title="${i} read as ${j}: ${n}">${n === 0 ? "" : n}</td>`;
    });
    return `<tr><th>${i}</th>${cells.join("")}<td class="part">${percent(row[i] / Math.max(1, total))}</td></tr>`;
  });
  const head = digits.map((d) => `<th>${d}</th>`).join("");
  return `<table><thead><tr><th></th>${head}<th>right</th></tr></thead><tbody>${rows.join("\n")}</tbody></table>`;
}

function filters(net: Net): string {
  const weights = net.conv1.weight.tolist() as number[][][][];
  const largest = Math.max(...weights.flat(3).map(Math.abs));
  return weights
    .map(([filter], i) => {
      const address = bitmap(5, 5, (x, y) => diverging(filter[y][x] / largest));
      return `<img src="${address}" width="90" height="90" alt="filter ${i + 1}">`;
    })
    .join("\n");
}

function wrongDigits(digits: MNIST<Tensor>, { predictions, certainty }: Evaluation): string {
  const targets = digits.targets.tolist() as number[];
  const wrong = predictions.map((_, i) => i).filter((i) => predictions[i] !== targets[i]);
  wrong.sort((a, b) => certainty[b] - certainty[a]);
  return wrong
    .slice(0, 36)
    .map((i) => digitFigure(digits, i, `${targets[i]} → <b>${predictions[i]}</b> ${Math.round(100 * certainty[i])} %`))
    .join("\n");
}

function rightDigits(digits: MNIST<Tensor>, { predictions }: Evaluation): string {
  const targets = digits.targets.tolist() as number[];
  const right = predictions.map((_, i) => i).filter((i) => predictions[i] === targets[i]);
  return right
    .slice(0, 36)
    .map((i) => digitFigure(digits, i, `<b>${predictions[i]}</b>`))
    .join("\n");
}

function digitFigure(digits: MNIST<Tensor>, index: number, caption: string): string {
  const pixels = digits.data.select(0, index).tolist() as number[][];
  const address = bitmap(28, 28, (x, y) => {
    const paper = 255 - pixels[y][x];
    return [paper, paper, paper];
  });
  return `<figure><img src="${address}" width="56" height="56" alt="test digit ${index}"><figcaption>${caption}</figcaption></figure>`;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`;
}

function number(n: number): string {
  return n.toLocaleString("en");
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #667; --line: #dde; --card: #fff; --page: #f4f5f8; --accent: #b3421f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8ec; --soft: #99a; --line: #334; --card: #1d1f26; --page: #14151a; --accent: #ff8a5c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 2rem; margin: 0 0 4px; } h2 { font-size: 1.15rem; margin: 0 0 4px; }
p { margin: 0 0 14px; color: var(--soft); }
section, .tiles > div { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px; margin-top: 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px; margin-top: 14px; }
.tiles > div { margin: 0; } .tiles b { display: block; font-size: 1.7rem; color: var(--accent); } .tiles span { color: var(--soft); font-size: .9rem; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--line); } .raw, .smooth { fill: none; stroke: var(--accent); } .raw { opacity: .3; } .smooth { stroke-width: 2.5; }
section:has(table) { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 3px; font-variant-numeric: tabular-nums; margin: 0 auto; }
td { width: 58px; height: 40px; text-align: center; border-radius: 5px; } th { color: var(--soft); padding: 0 8px; } .part { color: var(--soft); width: 84px; }
.filters, .digits { display: flex; flex-wrap: wrap; gap: 12px; } img { image-rendering: pixelated; border: 1px solid var(--line); border-radius: 6px; }
figure { margin: 0; text-align: center; width: 84px; } figcaption { font-size: .85rem; color: var(--soft); } figcaption b { color: var(--ink); }
.red { color: #cb4335; font-weight: 600; } .blue { color: #2166ac; font-weight: 600; }
pre { overflow-x: auto; font-size: .85rem; margin: 8px 0 12px; }
`;
