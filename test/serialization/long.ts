/**
 * The long tests of checkpoints:
 *
 *   node test/serialization/long.ts [mutations] [kills]
 *
 * 24,000 damaged files over all formats, and a process that is killed 200 times while it saves. Exits with 1 on failure.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FuzzFormat, fuzz, Random } from "./fuzz.ts";
import { killWhileSaving } from "./kill.ts";

const mutations = Number(process.argv[2] ?? 24_000);
const kills = Number(process.argv[3] ?? 200);
let failed = false;

const modules = readdirSync(import.meta.dirname).filter((file) => file.endsWith("-formats.ts"));
const formats: FuzzFormat[] = [];
for (const file of modules) {
  formats.push(...((await import(`./${file}`)) as { formats: readonly FuzzFormat[] }).formats);
}
for (const format of formats) {
  const start = performance.now();
  const { loaded, refused, failures, slowest } = await fuzz(format, {
    count: Math.ceil(mutations / formats.length),
    seed: 7,
  });
  const counts = Object.entries(refused).map(([name, count]) => `${count} ${name}`);
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `${format.name}: ${loaded} loaded, ${counts.join(", ")}; slowest ${slowest.toFixed(0)} ms; ${seconds.toFixed(1)} s`,
  );
  for (const { index, problem } of failures.slice(0, 10)) console.log(`  mutation ${index}: ${problem}`);
  if (failures.length > 0) {
    console.log(`  ${failures.length} failures`);
    failed = true;
  }
}

const folder = mkdtempSync(join(tmpdir(), "kindling-kill-"));
try {
  const random = new Random(11);
  const saved: number[] = [];
  for (let i = 0; i < kills; i++) saved.push(await killWhileSaving(join(folder, "x.pt"), random));
  if (kills > 0)
    console.log(`${kills} kills: every file whole; ${Math.min(...saved)} to ${Math.max(...saved)} saves before`);
} catch (error) {
  console.log(error);
  failed = true;
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = failed ? 1 : 0;
