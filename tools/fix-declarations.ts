/**
 * Makes the type declarations in dist/ import each other by the names that are published: `./dtype.ts` becomes
 * `./dtype.js`. The compiler rewrites the endings in JavaScript files only (`rewriteRelativeImportExtensions`).
 * Runs after the compiler, as part of `npm run build`.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const dist = join(import.meta.dirname, "..", "dist");
const relativeImport = /(\bfrom\s*|\bimport\s*\(?\s*)(["'])(\.{1,2}\/[^"'\n]+)\.ts\2/g;

for (const file of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
  if (!file.endsWith(".d.ts")) continue;
  const path = join(dist, file);
  const text = readFileSync(path, "utf8");
  const fixed = text.replace(relativeImport, "$1$2$3.js$2");
  if (fixed !== text) writeFileSync(path, fixed);
}
