/** What anomaly mode reports: lines of the user's program, for nodes that any part of the library has recorded. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import * as torch from "../../src/index.ts";

/** The warnings of a failing `f`, less the one that the mode is on. */
function warningsOf(f: () => unknown): string[] {
  const { warn } = console;
  const texts: string[] = [];
  console.warn = (text: string) => texts.push(text);
  try {
    assert.throws(f, { name: "RuntimeError", message: /returned nan values in its 0th output/ });
  } finally {
    console.warn = warn;
  }
  return texts.filter((text) => !text.includes("has been enabled"));
}

const here = import.meta.filename;

test("the first line is the user's call, in layers and functions too", () => {
  const net = new torch.nn.Sequential(new torch.nn.Linear(2, 2), new torch.nn.Sigmoid());
  const lineOf = (error: Error): string => /anomaly\.test\.ts:(\d+)/.exec(error.stack as string)?.[1] as string;
  const spoiled = class extends torch.autograd.Function {
    static forward(_ctx: unknown, x: torch.Tensor): torch.Tensor {
      return x.clone();
    }
    static backward(_ctx: unknown, g: torch.Tensor): torch.Tensor {
      return g.mul(NaN);
    }
  };
  // Each makes the error on the line of the call.
  const calls: [string, (x: torch.Tensor) => torch.Tensor][] = [
    [lineOf(new Error()), (x) => x.mul(-1).sqrt()],
    [lineOf(new Error()), (x) => torch.nn.functional.gelu(x.mul(NaN))],
    [lineOf(new Error()), (x) => spoiled.apply(x)],
    [lineOf(new Error()), (x) => net(x.mul(NaN))],
    [lineOf(new Error()), (x) => torch.vmap((y: torch.Tensor) => y.mul(NaN))(x)],
  ];
  for (const [line, call] of calls) {
    const x = torch.ones([1, 2], { requires_grad: true });
    const [report] = warningsOf(() => torch.autograd.detect_anomaly(() => call(x).sum().backward()));
    assert.match(report, /^UserWarning: Error detected in \w+\. Traceback of forward call that caused the error:\n/);
    const first = report.split("\n")[1];
    assert.ok(first.includes(here) && first.includes(`:${line}:`), `${first} is not line ${line}`);
    assert.ok(!report.includes("/src/"), report);
  }
});

test("an async program", async () => {
  const x = torch.tensor([-1.5], { requires_grad: true });
  const { warn } = console;
  const texts: string[] = [];
  console.warn = (text: string) => texts.push(text);
  try {
    const task = torch.autograd.detect_anomaly(async () => {
      await null;
      const y = x.log().sqrt();
      await new Promise((resolve) => setImmediate(resolve));
      y.backward();
    });
    assert.equal(torch.is_anomaly_enabled(), false);
    // Another task is not in the mode.
    x.sqrt().backward();
    await assert.rejects(task, { message: "Function 'SqrtBackward0' returned nan values in its 0th output." });
  } finally {
    console.warn = warn;
  }
  assert.match(texts.at(-1) as string, /caused the error:\n {2}at .*anomaly\.test\.ts/);
});

test("a program of its own: lines of TypeScript, warnings on stderr", () => {
  const folder = mkdtempSync(join(tmpdir(), "kindling-anomaly-"));
  try {
    const file = join(folder, "program.ts");
    const source = `import * as torch from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)};
interface Model { readonly weight: torch.Tensor }
const model: Model = { weight: torch.tensor([-2.5], { requires_grad: true }) };

function loss({ weight }: Model): torch.Tensor {
  return weight
    .sqrt()
    .sum();
}
torch.autograd.set_detect_anomaly(true);
loss(model).backward();
`;
    writeFileSync(file, source);
    const run = spawnSync(process.execPath, [file], { encoding: "utf8", timeout: 60_000 });
    assert.equal(run.status, 1);
    const report = /Error detected in SqrtBackward0[\s\S]*?\n(.*)\n(.*)\n/.exec(run.stderr);
    assert.equal(report?.[1].trim(), `at loss (${pathToFileURL(file)}:7:6)`, run.stderr);
    assert.equal(report?.[2].trim(), `at ${pathToFileURL(file)}:11:1`);
    assert.match(run.stderr, /Function 'SqrtBackward0' returned nan values in its 0th output\./);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("nodes cost nothing more while the mode is off", () => {
  const y = torch.ones(2, { requires_grad: true }).mul(2);
  assert.deepEqual(Reflect.ownKeys((y.grad_fn as torch.autograd.Node).metadata), []);
});
