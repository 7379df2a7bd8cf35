/**
 * Kindling against PyTorch on the same machine, the same data and the same number of threads:
 *
 *   npm run bench -- [options]
 *
 *   --only PATTERN     only rows whose name matches the regular expression
 *   --quick            little time for each row: three minutes for all, without peers
 *   --threads 1,2      the numbers of threads, each with a table of its own. Default 1
 *   --alone            Kindling only
 *   --peers            also the other JavaScript libraries; --no-peers without them. Default: unless --quick, --alone or --browser
 *   --no-revectorize   also Kindling without 256-bit vectors, as it runs in a browser
 *   --browser          the LeNet and matrix rows, also in headless Chromium, on a page without and with cross-origin isolation
 *   --json FILE        also adds all figures to a file, where rows measured again replace the old ones
 *   --report FILES     measures nothing, and puts what is in such files, separated by commas, into README.md and docs/benchmark.svg
 *
 * PyTorch takes part where `python3` has it, or the command in the environment variable KINDLING_PYTHON. Before a row is
 * timed, the results of all contenders are compared. Then they take turns: ours, theirs, ours, …
 */
import { parseArgs } from "node:util";
import { browser } from "./browser/contender.ts";
import type { Contender } from "./contender.ts";
import { kindling, peers } from "./javascript.ts";
import { type Effort, measureRow, type RowResult } from "./measure.ts";
import { pytorch } from "./pytorch.ts";
import { addToFile, type Measurement, measurement, publish, report } from "./report.ts";
import { rows } from "./rows/index.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
    threads: { type: "string", default: "1" },
    alone: { type: "boolean", default: false },
    revectorize: { type: "boolean", default: true },
    browser: { type: "boolean", default: false },
    peers: { type: "boolean" },
    json: { type: "string" },
    report: { type: "string" },
  },
  allowNegative: true,
});

const { peers: withPeers = !options.quick && !options.alone && !options.browser } = options;

const full: Effort = { warmup: 200, warmupLimit: 3000, turn: 100, rounds: 10, limit: 3000, pause: 0 };
const quick: Effort = { warmup: 25, warmupLimit: 800, turn: 15, rounds: 5, limit: 75, pause: 0 };

async function browsers(threads: number): Promise<Contender[]> {
  const pages = [await browser(threads, false), await browser(threads, true)];
  if (pages.includes(null)) console.error("No Chromium: set CHROMIUM_PATH to one.");
  return pages.filter((page) => page !== null);
}

/** Who takes part; the first is the reference for results. */
async function start(threads: number): Promise<Contender[]> {
  const contenders: Contender[] = [];
  if (!options.alone) {
    const theirs = await pytorch(threads);
    if (theirs !== null) contenders.push(theirs);
    else console.error("No PyTorch: set KINDLING_PYTHON to a command that runs a Python with it.");
  }
  contenders.push(await kindling({ threads, wide: true }));
  if (!options.revectorize) contenders.push(await kindling({ threads, wide: false }));
  if (options.browser) contenders.push(...(await browsers(threads)));
  if (withPeers) contenders.push(...(await peers(threads, options.quick ? 5 : 15)));
  return contenders;
}

/** The rows that are measured in a browser unless others are named. */
const BROWSER_ROWS = "^(LeNet|sgemm|gemv)";

const pattern = new RegExp(options.only || (options.browser ? BROWSER_ROWS : ""));
const chosen = rows.filter((row) => pattern.test(row.name));

async function run(threads: number): Promise<Measurement> {
  const contenders = await start(threads);
  const effort = { ...(options.quick ? quick : full), pause: threads > 1 ? 10 : 0 };
  const results: RowResult[] = [];
  for (const row of chosen) {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${results.length + 1}/${chosen.length} ${row.name}`);
    results.push(await measureRow(row, contenders, effort));
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  for (const contender of contenders) await contender.close();
  return measurement(threads, contenders, results);
}

if (options.report !== undefined) {
  publish(options.report.split(","));
} else {
  const measurements: Measurement[] = [];
  for (const threads of options.threads.split(",")) measurements.push(await run(Number(threads)));
  console.log(report(measurements));
  if (options.json !== undefined) addToFile(options.json, measurements);
}
