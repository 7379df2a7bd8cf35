/**
 * Long synchronous loops, without a single await, and what they hold:
 *
 *   npm run test:long -- memory
 *
 * 3,000 training steps at batch 64, and 200 steps that each allocate 200 MB. Exits with 1 where memory grows.
 */
import * as torch from "../../src/index.ts";
import { memory_reserved, memory_stats } from "../../src/storage/memory.ts";
import { train, type Usage, usage } from "./network.ts";

let failed = false;

function report(title: string, seen: readonly Usage[], seconds: number): void {
  const half = seen.length >> 1;
  const peak = (list: readonly Usage[], key: keyof Usage): number => Math.max(...list.map((u) => u[key]));
  const growth = (key: keyof Usage): number => peak(seen.slice(half), key) - peak(seen.slice(0, half), key);
  const { spills, spilled_bytes, restored_bytes } = memory_stats();
  console.log(`${title}: ${seconds.toFixed(1)} s`);
  for (const key of ["rss", "reserved", "heap", "external"] as const) {
    console.log(`  ${key.padEnd(8)} peak ${peak(seen, key)} MiB, second half ${growth(key)} MiB above the first`);
  }
  const gibi = (bytes: number): string => (bytes / 2 ** 30).toFixed(2);
  console.log(`  ${spills} spills so far: ${gibi(spilled_bytes)} GiB out, ${gibi(restored_bytes)} GiB back`);
  if (growth("rss") > 150 || growth("reserved") > 64 || growth("heap") > 64) {
    console.log("  memory grows");
    failed = true;
  }
}

function measured(title: string, steps: number, body: (afterStep: (step: number) => void) => void): void {
  const seen: Usage[] = [];
  const start = performance.now();
  body((step) => {
    // The first tenth is warm-up.
    if (step >= steps / 10 && step % Math.ceil(steps / 100) === 0) seen.push(usage(memory_reserved()));
  });
  report(title, seen, (performance.now() - start) / 1000);
}

measured("3,000 steps of the notes' network at batch 64", 3000, (afterStep) => {
  train(3000, 64, afterStep);
});

measured("200 steps that allocate 200 MB each", 200, (afterStep) => {
  const x = torch.ones(1000, 1000);
  for (let step = 0; step < 200; step++) {
    let y = x;
    for (let i = 0; i < 50; i++) y = y.add(1);
    if (y.select(0, 0).select(0, 0).item() !== 51) throw new Error("wrong result");
    afterStep(step);
  }
});

process.exitCode = failed ? 1 : 0;
