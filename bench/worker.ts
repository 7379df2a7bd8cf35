/**
 * A JavaScript library as a process that answers requests, one JSON object a line (see `channel.ts`):
 *
 *   node bench/worker.ts LIBRARY OPTIONS
 *
 * LIBRARY is the name of a file in `libraries/`, OPTIONS are `LibraryOptions` in JSON.
 */
import { createInterface } from "node:readline";
import { type Library, type LibraryOptions, type Request, Runner } from "./library.ts";
import { rows } from "./rows/index.ts";

/** What a library prints while it loads or runs belongs to stderr: stdout has the answers. */
console.log = console.error;

const [name, optionsText] = process.argv.slice(2);
const options = JSON.parse(optionsText) as LibraryOptions;
if (name !== "kindling" || !options.wide) hideV8();

/**
 * Makes this engine one whose vectors have 128 bits: V8's flags cannot be set where its module is not to be had. Other
 * libraries must not be measured with flags that Kindling sets when it makes their weights.
 */
function hideV8(): void {
  const { getBuiltinModule } = process;
  process.getBuiltinModule = ((module: string) =>
    module === "node:v8" ? undefined : getBuiltinModule(module)) as typeof getBuiltinModule;
}

async function reply(answer: () => Promise<unknown>): Promise<void> {
  let line: object;
  try {
    line = { answer: (await answer()) ?? null };
  } catch (error) {
    line = { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

let runner: Runner;
await reply(async () => {
  const { load } = (await import(`./libraries/${name}.ts`)) as {
    load(options: LibraryOptions): Library | Promise<Library>;
  };
  const library = await load(options);
  runner = new Runner(library, rows);
  return library.description;
});

for await (const line of createInterface({ input: process.stdin })) {
  await reply(() => runner.answer(JSON.parse(line) as Request));
}
// Nothing that a library left running keeps the process.
process.exit();
