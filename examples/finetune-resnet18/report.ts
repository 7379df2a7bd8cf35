/** The page about the fine-tuning: one HTML file that asks for no other. */
import type { Tensor } from "kindling";
import { bitmap } from "../mnist/bitmap.ts";
import { lossChart } from "../mnist/chart.ts";
import type { Evaluation } from "./network.ts";
import type { Options } from "./options.ts";
import { MEAN, type Pictures, STD } from "./pictures.ts";

export interface Run {
  options: Options;
  pictures: Pictures;
  losses: readonly number[];
  before: Evaluation;
  after: Evaluation;
  /** Milliseconds of a step. */
  frozen: number;
  full: number;
}

export async function renderReport(run: Run): Promise<string> {
  const { pictures, losses, before, after, frozen, full, options } = run;
  const wrong = after.predictions.map((_, i) => i).filter((i) => after.predictions[i] !== after.targets[i]);
  wrong.sort((a, b) => after.certainty[b] - after.certainty[a]);
  const right = after.predictions.map((_, i) => i).filter((i) => after.predictions[i] === after.targets[i]);
  const tiles = [
    [percent(before.accuracy), "right before, with a new last layer that knows nothing"],
    [percent(after.accuracy), `right after, of ${after.targets.length} test pictures`],
    [`${(full / frozen).toFixed(1)}×`, `faster steps: ${frozen.toFixed(0)} ms frozen, ${full.toFixed(0)} ms unfrozen`],
    [String(pictures.train.length), `pictures to learn from, ${options.epochs} times`],
  ];
  const trunk =
    options.weights === null
      ? "Its ResNet-18 was pretrained by torchvision, for ten minutes on one core, on Fashion-MNIST's photographs of clothes, printed letters and clip art; 85 % of its weights are zero, so that the file is small. It had seen none of these pictures and none of their labels."
      : `Its ResNet-18 has the weights ${escapeHtml(options.weights)}.`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kindling: fine-tuning ResNet-18</title>
<style>${STYLE}</style>
<main>
<h1>A frozen ResNet-18 with a new last layer</h1>
<p>Fine-tuned in TypeScript on ${escapeHtml(pictures.name)}. ${trunk}</p>
<div class="tiles">${tiles.map(([value, label]) => `<div><b>${value}</b><span>${label}</span></div>`).join("")}</div>
<section><h2>Loss</h2>
<p>Cross-entropy of each batch of 64 pictures, on a logarithmic axis; the dark line is its running mean.</p>
${lossChart(losses, Math.floor(losses.length / options.epochs))}</section>
<section><h2>What it gets right</h2>
<div class="pictures">${await figures(run, spread(right, 24))}</div></section>
<section><h2>What it gets wrong</h2>
<p>The answers of which it was most certain: what it is → what the network takes it for.</p>
<div class="pictures">${await figures(run, wrong.slice(0, 24))}</div></section>
</main>
</html>
`;
}

/** Some of a list, from all over it. */
function spread(list: readonly number[], count: number): number[] {
  return list.filter((_, i) => Math.floor((i * count) / list.length) !== Math.floor(((i - 1) * count) / list.length));
}

async function figures({ pictures, after }: Run, places: readonly number[]): Promise<string> {
  const parts = places.map(async (i) => {
    const [image] = await pictures.test.get(i);
    const [truth, guess] = [after.targets[i], after.predictions[i]].map((c) => escapeHtml(pictures.classes[c]));
    const answer = truth === guess ? `<b>${guess}</b>` : `${truth} → <b>${guess}</b>`;
    const caption = `${answer} ${Math.round(100 * after.certainty[i])} %`;
    return `<figure><img src="${address(image)}" width="84" height="84" alt="test picture ${i}"><figcaption>${caption}</figcaption></figure>`;
  });
  return (await Promise.all(parts)).join("\n");
}

/** A normalized picture (3, H, W) as the address of a bitmap. */
function address(image: Tensor): string {
  const [red, green, blue] = image.tolist() as number[][][];
  const byte = (value: number, c: number): number =>
    Math.round(255 * Math.max(0, Math.min(1, value * STD[c] + MEAN[c])));
  return bitmap(image.size(2), image.size(1), (x, y) => [
    byte(red[y][x], 0),
    byte(green[y][x], 1),
    byte(blue[y][x], 2),
  ]);
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
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
.pictures { display: flex; flex-wrap: wrap; gap: 12px; } img { image-rendering: pixelated; border: 1px solid var(--line); border-radius: 6px; }
figure { margin: 0; text-align: center; width: 96px; } figcaption { font-size: .85rem; color: var(--soft); } figcaption b { color: var(--ink); }
`;
