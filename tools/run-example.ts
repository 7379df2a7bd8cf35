/** Runs programs of examples/ by name: npm run example network. Without a name, lists them. Flags go to the program. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = join(import.meta.dirname, "..", "examples");
/** A program is a file, here or in autograd/, or train.ts in a folder. */
const programs = new Map<string, string>();
for (const name of [...readdirSync(folder), ...readdirSync(join(folder, "autograd")).map((n) => `autograd/${n}`)]) {
  if (name.endsWith(".ts")) programs.set(name.slice(0, -3), join(folder, name));
  else if (existsSync(join(folder, name, "train.ts"))) programs.set(name, join(folder, name, "train.ts"));
}
const args = process.argv.slice(2);
const firstFlag = args.findIndex((arg) => arg.startsWith("-"));
const names = firstFlag < 0 ? args : args.slice(0, firstFlag);
const flags = args.slice(names.length);
const unknown = names.filter((name) => !programs.has(name));
if (names.length === 0 || unknown.length > 0) {
  for (const name of unknown) console.error(`there is no example '${name}'`);
  console.error(`usage: npm run example <name>, where <name> is one of\n  ${[...programs.keys()].join("\n  ")}`);
  process.exit(2);
}
for (const name of names) {
  if (names.length > 1) console.log(`--- ${name}`);
  const program = programs.get(name) as string;
  process.argv = [process.argv[0], program, ...flags];
  await import(pathToFileURL(program).href);
}
