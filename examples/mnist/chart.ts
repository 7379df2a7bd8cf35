/** The loss curve as SVG, with a logarithmic axis. */

const WIDTH = 860;
const HEIGHT = 300;
const LEFT = 52;
const BOTTOM = 34;
const TOP = 12;
const RIGHT = 12;

/** The loss of every step, faintly, and its running mean. A line marks where an epoch begins. */
export function lossChart(losses: readonly number[], stepsInEpoch: number): string {
  const shown = losses.map((v) => Math.max(v, 1e-4));
  const smooth = runningMean(shown, Math.max(1, Math.round(losses.length / 60)));
  const low = Math.log10(Math.min(...thinned(shown)));
  const high = Math.log10(Math.max(...thinned(shown)));
  const tenths = (n: number): number => Math.round(10 * n) / 10;
  const x = (step: number): number => tenths(LEFT + ((WIDTH - LEFT - RIGHT) * step) / Math.max(1, losses.length - 1));
  const y = (v: number): number =>
    tenths(TOP + ((HEIGHT - TOP - BOTTOM) * (high - Math.log10(v))) / Math.max(1e-9, high - low));
  const path = (values: readonly number[]): string =>
    sampled(values)
      .map(([i, v]) => `${x(i)},${y(v)}`)
      .join(" ");
  const ticks = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3].filter(
    (v) => Math.log10(v) >= low && Math.log10(v) <= high,
  );
  const grid = ticks.map(
    (v) => `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(v)}" y2="${y(v)}" class="grid"/>
<text x="${LEFT - 8}" y="${y(v) + 4}" text-anchor="end">${v}</text>`,
  );
  const epochs: string[] = [];
  for (let step = 0; step < losses.length; step += stepsInEpoch) {
    const at = x(step);
    if (step > 0) epochs.push(`<line x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" class="grid"/>`);
    epochs.push(`<text x="${at + 4}" y="${HEIGHT - 12}">epoch ${step / stepsInEpoch + 1}</text>`);
  }
  epochs.push(`<text x="${WIDTH - RIGHT}" y="${HEIGHT - 12}" text-anchor="end">${losses.length} steps</text>`);
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Loss from ${losses[0].toFixed(2)} to ${smooth[smooth.length - 1].toFixed(3)}">
${grid.join("\n")}
${epochs.join("\n")}
<polyline points="${path(shown)}" class="raw"/>
<polyline points="${path(smooth)}" class="smooth"/>
</svg>`;
}

/** The mean of the last values, weighted by a falling exponential. */
function runningMean(values: readonly number[], window: number): number[] {
  const decay = 1 - 1 / window;
  let sum = 0;
  let weight = 0;
  return values.map((v) => {
    sum = decay * sum + v;
    weight = decay * weight + 1;
    return sum / weight;
  });
}

/** At most two points for each pixel, which is all that can be seen. */
function sampled(values: readonly number[]): [step: number, value: number][] {
  const every = Math.max(1, Math.floor(values.length / (2 * WIDTH)));
  return values.map((v, i): [number, number] => [i, v]).filter(([i]) => i % every === 0 || i === values.length - 1);
}

/** The values that are drawn. */
function thinned(values: readonly number[]): number[] {
  return sampled(values).map(([, v]) => v);
}
