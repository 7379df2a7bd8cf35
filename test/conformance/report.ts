/**
 * The state of the ops against PyTorch's golden values, as a table for developers:
 *
 *   npx node test/conformance/report.ts [pattern …] [options]
 *
 * pattern       a whole op name, else a regular expression; several are joined
 *   --failing   only ops that fail          --missing   only the names that are missing
 *   --dtype D   only samples of a dtype, or "error"   --check C   only differences of one kind (grad, out, strided, …)
 *   --list      every failing sample with its call     --all       the same without a limit
 *   --sample ID one sample in full: inputs, expected and got, gradients, stack of what was thrown
 *   --notes     remarks that fail nothing: signs of zeros, wording of errors
 *   --extra     also count ops that are not in the plan and not there
 */
import { parseArgs } from "node:util";
import type { Check } from "./compare.ts";
import { callText, tensorLines, valuesText } from "./format.ts";
import type { GoldenOp, Sample } from "./golden.ts";
import { goldenOps, loadOp } from "./golden.ts";
import type { Api } from "./target.ts";
import { callTarget, isTensorLike, loadApi, makeCall, upstreamGradient, valuesOf } from "./target.ts";
import type { Failure, OpReport } from "./walk.ts";
import { walkOp, walkSample } from "./walk.ts";

const { values: options, positionals: patterns } = parseArgs({
  allowPositionals: true,
  options: {
    failing: { type: "boolean" },
    missing: { type: "boolean" },
    dtype: { type: "string" },
    check: { type: "string" },
    list: { type: "boolean" },
    all: { type: "boolean" },
    sample: { type: "string" },
    notes: { type: "boolean" },
    extra: { type: "boolean" },
  },
});

const LISTED = 25;

function chosenOps(): string[] {
  const names = goldenOps();
  if (patterns.length === 0) return names;
  return names.filter((n) =>
    patterns.some((p) => {
      if (names.includes(p)) return n === p;
      if (names.includes(`nn.functional.${p}`)) return n === `nn.functional.${p}`;
      return new RegExp(p).test(n);
    }),
  );
}

/** One sample with everything that there is to see. */
function showSample(api: Api, golden: GoldenOp, sample: Sample): void {
  const { blob } = golden;
  console.log(`\n${golden.op} · ${sample.id} · from ${sample.from}\n  ${callText(sample)}`);
  for (const [i, arg] of sample.args.entries())
    for (const l of tensorLines(`args[${i}]`, arg, blob)) console.log(`  ${l}`);
  for (const [k, v] of Object.entries(sample.kwargs)) for (const l of tensorLines(k, v, blob)) console.log(`  ${l}`);
  if (sample.error) console.log(`  expected ${sample.error.class}: ${sample.error.message}`);
  else for (const l of tensorLines("expected", sample.out ?? null, blob)) console.log(`  ${l}`);
  const print = (label: string, value: unknown): void => {
    if (isTensorLike(value)) {
      const layout = `${value.dtype.name}[${value.shape.join(", ")}] strides [${value.stride().join(", ")}]`;
      console.log(`  ${label}: ${layout} ${valuesText(valuesOf(api, value))}`);
    } else if (typeof value === "object" && value !== null && "length" in value) {
      Array.from(value as ArrayLike<unknown>).forEach((v, i) => {
        print(`${label}[${i}]`, v);
      });
    } else console.log(`  ${label}: ${String(value)}`);
  };
  try {
    const call = makeCall(api, sample, blob, { grad: sample.grads !== undefined });
    if (sample.seed !== undefined) (api.torch.manual_seed as (s: number) => unknown)(sample.seed);
    const result = callTarget(api, sample.fn, call.args, call.kwargs);
    print("got     ", result);
    if (sample.grads) {
      const outs = (isTensorLike(result) ? [result] : Array.from(result as ArrayLike<unknown>)) as unknown[];
      const wanted = outs.map((o, i) => ({ o, i })).filter(({ o }) => isTensorLike(o) && o.requires_grad);
      const { grad } = api.torch.autograd as { grad: (o: unknown, i: unknown, k: unknown) => ArrayLike<unknown> };
      const upstream = wanted.map(({ o, i }) => (isTensorLike(o) ? upstreamGradient(api, o, i) : o));
      print("upstream", upstream);
      for (const l of tensorLines("expected gradient", sample.grads, blob)) console.log(`  ${l}`);
      const inputs = call.tensors.filter((t) => t.golden.grad).map((t) => t.made);
      const extra = { grad_outputs: upstream, allow_unused: true };
      print(
        "got gradient     ",
        grad(
          wanted.map(({ o }) => o),
          inputs,
          extra,
        ),
      );
    }
  } catch (error) {
    console.log(`  throws ${(error as Error).stack ?? String(error)}`);
  }
  for (const f of walkSample(api, golden, sample).found) {
    console.log(`  ${f.note ? "note" : "FAIL"} ${f.check}: ${f.message}`);
    if (f.cause) console.log(String((f.cause as Error).stack).replace(/^/gm, "      "));
  }
}

function checkCounts(failures: Failure[]): string {
  const counts = new Map<Check, number>();
  for (const f of failures) counts.set(f.check, (counts.get(f.check) ?? 0) + 1);
  return [...counts].map(([check, n]) => `${check} ${n}`).join(", ");
}

/** A message without its numbers, to see which failures are one and the same. */
const pattern = (f: Failure): string =>
  `${f.check}: ${f.message.replace(/-?\d+(\.\d+)?(e[+-]?\d+)?n?/g, "#").replace(/(#(, )?)+/g, "#")}`.slice(0, 110);

function printSummary(reports: OpReport[]): void {
  const common = new Map<string, { count: number; ops: Set<string> }>();
  for (const r of reports) {
    for (const f of r.failures) {
      const entry = common.get(pattern(f)) ?? { count: 0, ops: new Set() };
      entry.count++;
      entry.ops.add(r.op);
      common.set(pattern(f), entry);
    }
  }
  const shared = [...common].filter(([, e]) => e.ops.size > 1).sort((a, b) => b[1].count - a[1].count);
  if (shared.length > 0) {
    console.log("\nThe same in several ops:");
    for (const [text, { count, ops }] of shared.slice(0, 12)) {
      console.log(
        `  ${String(count).padStart(5)} × ${text}   [${[...ops].slice(0, 4).join(" ")}${ops.size > 4 ? ` +${ops.size - 4}` : ""}]`,
      );
    }
  }
  const there = reports.filter((r) => !r.missing);
  const sum = (pick: (r: OpReport) => number): number => there.reduce((total, r) => total + pick(r), 0);
  const absent = reports.filter((r) => r.missing && !r.extra);
  const extra = reports.filter((r) => r.missing && r.extra);
  const perfect = there.filter((r) => r.failures.length === 0).length;
  if (absent.length > 0) console.log(`\nMissing: ${absent.map((r) => r.missing).join("  ")}`);
  if (extra.length > 0 && options.extra)
    console.log(`\nNot in the plan, not there: ${extra.map((r) => r.missing).join("  ")}`);
  console.log(
    `\n${perfect} ops pass, ${there.length - perfect} fail, ${absent.length} missing` +
      ` (and ${extra.length} that are not in the plan); samples: ${sum((r) => r.passed)} of ${sum((r) => r.samples)} pass, ` +
      `${sum((r) => r.skipped)} skipped (whole floats), ${sum((r) => r.known)} known; ${sum((r) => r.checks)} checks`,
  );
}

async function main(): Promise<void> {
  const api = await loadApi();
  const names = chosenOps();
  if (names.length === 0) throw new Error(`no op matches ${patterns.join(" ")}`);
  const reports: OpReport[] = [];
  for (const name of names) {
    await new Promise((resolve) => setImmediate(resolve));
    const golden = loadOp(name);
    if (options.sample) {
      const wanted = options.sample;
      for (const s of golden.samples.filter((x) => x.id.includes(wanted))) showSample(api, golden, s);
      continue;
    }
    const start = performance.now();
    const report = walkOp(api, golden, { dtype: options.dtype, only: options.check as Check | undefined });
    reports.push(report);
    const took = performance.now() - start;
    if (report.missing) {
      if ((!report.extra || options.extra) && (options.missing || !options.failing || !report.extra)) {
        console.log(`MISS ${name.padEnd(30)} ${report.missing}`);
      }
      continue;
    }
    if (options.missing || (options.failing && report.failures.length === 0)) continue;
    const slow = took > 2000 ? ` ${(took / 1000).toFixed(1)} s` : "";
    const counts = `${report.passed}/${report.samples - report.skipped}`.padStart(8);
    const first = report.failures[0];
    const text = first ? `${checkCounts(report.failures)} │ ${first.sample.id} ${first.message}` : "";
    console.log(
      `${first ? "FAIL" : " ok "} ${name.padEnd(30)} ${counts}${slow}  ${text.slice(0, options.list ? 400 : 190)}`,
    );
    if (options.list || options.all) {
      for (const f of report.failures.slice(0, options.all ? undefined : LISTED)) {
        console.log(
          `       ${f.check} ${f.sample.id} (${f.sample.from})\n         ${callText(f.sample)}\n         ${f.message}`,
        );
      }
    }
    if (options.notes)
      for (const f of report.notes) console.log(`       note ${f.sample.id} ${callText(f.sample)}: ${f.message}`);
    for (const id of report.stale) console.log(`       known failure ${id} passes now`);
  }
  if (!options.sample) printSummary(reports);
}

await main();
