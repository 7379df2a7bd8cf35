/** Runs programs of examples/ by name: npm run example network. Without a name, lists them. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = join(import.meta.dirname, "..", "examples");
const known = readdirSync(folder)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -3));
const names = process.argv.slice(2);
const unknown = names.filter((name) => !known.includes(name));
if (names.length === 0 || unknown.length > 0) {
  for (const name of unknown) console.error(`there is no example '${name}'`);
  console.error(`usage: npm run example <name>, where <name> is one of\n  ${known.join("\n  ")}`);
  process.exit(2);
}
for (const name of names) {
  if (names.length > 1) console.log(`--- ${name}`);
  await import(pathToFileURL(join(folder, `${name}.ts`)).href);
}
