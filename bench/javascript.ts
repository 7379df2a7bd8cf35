/** JavaScript libraries as contenders: each runs in a Node of its own. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { answers, openChannel } from "./channel.ts";
import type { Contender } from "./contender.ts";
import type { LibraryOptions } from "./library.ts";

async function javascript(library: string, name: string, title: string, options: LibraryOptions): Promise<Contender> {
  const worker = fileURLToPath(new URL("worker.ts", import.meta.url));
  const flags = ["--disable-warning=ExperimentalWarning"];
  const channel = await openChannel(process.execPath, [...flags, worker, library, JSON.stringify(options)]);
  const settings = channel.greeting as string;
  return {
    name,
    description: settings === "" ? title : `${title}: ${settings}`,
    prepare: async (row) => ((await channel.ask({ do: "prepare", row: row.name })) ? answers(channel) : null),
    close: channel.close,
  };
}

export function kindling(options: LibraryOptions): Promise<Contender> {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const name = options.wide ? "Kindling" : "Kindling, 128 bits";
  return javascript("kindling", name, `${name} ${version}`, options);
}
