/**
 * Where a training step spends its time: the kernels that it launches, with the time of each.
 *
 *   npx node bench/kernels-step.ts [lenet|mlp] [batch] [steps]
 */
import { setImmediate as macrotask } from "node:timers/promises";
import * as torch from "../src/index.ts";
import type { Kernel } from "../src/ir/kernel.ts";
import { setBackend } from "../src/ops/launch.ts";
import { makeLeNet, makeMlp } from "./networks/kindling.ts";

const [which = "lenet", batchText = "64", stepsText = "400"] = process.argv.slice(2);
const batch = Number(batchText);
const steps = Number(stepsText);

/** Nanoseconds of each launch, by kernel and amount of work. */
const launches = new Map<string, number[]>();

function label(kernel: Kernel, units: number): string {
  const loops = kernel.form === "row" ? `, ${kernel.outer.length} outer and ${kernel.inner.length} inner loops` : "";
  return `${kernel.name} (${kernel.form}${loops}, ${units} units)`;
}

setBackend((memory, current) => ({
  name: "timed",
  memory,
  compile(kernel) {
    const compiled = current.compile(kernel);
    return {
      kernel,
      units: compiled.units,
      run(block, begin, end) {
        const start = process.hrtime.bigint();
        compiled.run(block, begin, end);
        const elapsed = Number(process.hrtime.bigint() - start);
        const key = label(kernel, end - begin);
        const times = launches.get(key);
        if (times === undefined) launches.set(key, [elapsed]);
        else times.push(elapsed);
      },
    };
  },
}));

const mlp = which === "mlp";
const { net, optimizer, criterion } = mlp ? makeMlp() : makeLeNet();
const images = mlp ? torch.randn(batch, 784) : torch.randn(batch, 1, 32, 32);
const target = torch.randint(0, 10, [batch]);

// The first half lets V8 compile.
const counted = Math.ceil(steps / 2);
for (let step = 0; step < 2 * counted; step++) {
  if (step === counted) launches.clear();
  optimizer.zero_grad();
  criterion(net(images), target).backward();
  optimizer.step();
  await macrotask();
}

const rows = [...launches].map(([key, times]) => {
  times.sort((a, b) => a - b);
  // Not the median: another process on this core only ever adds.
  const each = times[Math.floor(times.length / 5)] / 1e3;
  const count = times.length / counted;
  return { key, each, count, total: each * count };
});
rows.sort((a, b) => b.total - a.total);
for (const { key, each, count, total } of rows) {
  console.log(`${total.toFixed(1).padStart(9)} µs = ${count} × ${each.toFixed(1)} µs  ${key}`);
}
const sum = rows.reduce((n, row) => n + row.total, 0);
const kernels = rows.reduce((n, row) => n + row.count, 0);
console.log(`${sum.toFixed(1).padStart(9)} µs in ${kernels} kernels a step`);
