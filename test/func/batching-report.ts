/**
 * How ops stand under vmap: golden calls on stacked inputs against calls one by one.
 *
 *   npx node test/func/batching-report.ts [part of an op's name] [--all] [--show N] [--stack]
 */
import { callText } from "../conformance/format.ts";
import { goldenOps, loadOp } from "../conformance/golden.ts";
import { loadApi } from "../conformance/target.ts";
import { checkBatching, suitable } from "./batching.ts";

const words = process.argv.slice(2);
const option = (name: string): number => Number(words[words.indexOf(name) + 1]);
const show = words.includes("--show") ? option("--show") : 2;
const pattern = words.find((w) => !w.startsWith("--") && !/^\d+$/.test(w)) ?? "";
const most = words.includes("--all") ? Number.POSITIVE_INFINITY : 12;

const api = await loadApi();
const warnings = new Map<string, Set<string>>();
let current = "";
console.warn = (text: unknown) => {
  const name = /aten::(\w+)/.exec(String(text))?.[1] ?? String(text);
  warnings.set(name, (warnings.get(name) ?? new Set()).add(current));
};
let [checks, failing] = [0, 0];
for (const name of goldenOps()) {
  if (pattern.startsWith("=") ? name !== pattern.slice(1) : !name.includes(pattern)) continue;
  current = name;
  await new Promise((resolve) => setImmediate(resolve));
  const golden = loadOp(name);
  const usable = golden.samples.filter((s) => suitable(api, s));
  const step = Math.max(1, Math.floor(usable.length / most));
  const report = checkBatching(
    api,
    golden,
    usable.filter((_, i) => i % step === 0),
  );
  checks += report.checks;
  failing += report.failures.length;
  if (report.failures.length === 0) continue;
  console.log(`${name}: ${report.failures.length} of ${report.checks} fail`);
  for (const f of report.failures.slice(0, show)) {
    console.log(
      `    ${f.form} ${JSON.stringify(f.dims)} ${callText(f.sample).slice(0, 150)}\n      ${f.message.slice(0, 220)}`,
    );
    if (words.includes("--stack")) console.log((f.cause as Error | undefined)?.stack);
  }
}
console.log(`${checks} checks, ${failing} fail`);
console.log(`ops run one by one: ${[...warnings].map(([op, from]) => `${op} (${[...from].join(" ")})`).join(", ")}`);
