/**
 * Random kernels on all variants of the backend and the interpreter:
 *
 *   npm run test:long -- differential
 *   node test/backend/differential-long.ts [kind] [first seed] [number of seeds]
 *
 * By default 21,000 kernels, which takes about 15 minutes. Exits with 1 where there is a difference.
 */
import { DifferentialTest } from "./differential.ts";
import { samples } from "./random-samples.ts";

const [only, first = "1", count = "3000"] = process.argv.slice(2);
const differential = new DifferentialTest();
let kernels = 0;
let failures = 0;
for (const [kind, sample] of Object.entries(samples)) {
  if (only !== undefined && only !== kind) continue;
  const start = performance.now();
  for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
    kernels++;
    try {
      differential.check(sample(seed));
    } catch (error) {
      console.log(error instanceof Error && error.name === "AssertionError" ? error.message : error);
      if (++failures === 20) throw new Error("too many differences");
    }
  }
  console.log(`${kind}: ${((performance.now() - start) / Number(count)).toFixed(1)} ms a kernel`);
}
console.log(`${kernels} kernels, ${differential.elements} elements: ${failures} differences`);
process.exitCode = failures > 0 ? 1 : 0;
