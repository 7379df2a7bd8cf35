/** A sample of the random kernels; differential-long.ts runs many more. */
import { test } from "node:test";
import { DifferentialTest, variants } from "./differential.ts";
import { randomRow, rowKinds } from "./random-row.ts";
import { samples } from "./random-samples.ts";

const names = variants.map(({ name }) => name).join(", ");

for (const [kind, sample] of Object.entries(samples)) {
  test(`random ${kind} kernels: ${names}`, () => {
    const differential = new DifferentialTest();
    for (let seed = 1; seed <= (kind === "winograd" ? 10 : 40); seed++) differential.check(sample(seed));
  });
}

test("row kernels of all lengths from 0 to 70", () => {
  const differential = new DifferentialTest();
  for (let n = 0; n <= 70; n++) differential.check(randomRow(1000 + n, rowKinds[n % 3], n));
});
