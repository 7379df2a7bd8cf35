/** JavaScript libraries as contenders: each runs in a Node of its own. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { answers, openChannel } from "./channel.ts";
import type { Contender } from "./contender.ts";
import type { LibraryOptions } from "./library.ts";
import { KINDLING, NARROW } from "./table.ts";

interface Settings extends LibraryOptions {
  /** How many seconds a first call may take. The process of one that takes longer is ended, and a new one started for the next row. */
  readonly patience?: number;
}

async function javascript(library: string, name: string, title: string, settings: Settings): Promise<Contender> {
  const { patience, ...options } = settings;
  const worker = fileURLToPath(new URL("worker.ts", import.meta.url));
  const flags = ["--disable-warning=ExperimentalWarning"];
  const open = () => openChannel(process.execPath, [...flags, worker, library, JSON.stringify(options)]);
  let channel = await open();
  const remark = channel.greeting as string;
  return {
    name,
    description: remark === "" ? title : `${title} (${remark})`,
    async prepare(row) {
      if (channel.ended) channel = await open();
      return (await channel.ask({ do: "prepare", row: row.name })) ? answers(channel, patience) : null;
    },
    close: () => channel.close(),
  };
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
}

export function kindling(options: LibraryOptions): Promise<Contender> {
  const { version } = readJson("../package.json") as { version: string };
  const name = options.wide ? KINDLING : NARROW;
  return javascript(
    "kindling",
    name,
    options.wide ? `${name} ${version}` : "with and without 256-bit vectors",
    options,
  );
}

/** Peers: the other libraries for JavaScript, at the versions in `package.json` here. In Node not all of them have threads. */
const PEERS = [
  { library: "tfjs", name: "TensorFlow.js", package: "@tensorflow/tfjs", threads: false },
  { library: "jax", name: "jax-js", package: "@jax-js/jax", threads: false },
  { library: "onnxruntime", name: "onnxruntime-node", package: "onnxruntime-node", threads: true },
] as const;

/** Starts the peers, which get `patience` seconds for the first call of a row; one that does not start is left out and said so. */
export async function peers(threads: number, patience: number): Promise<Contender[]> {
  installPeers();
  const { dependencies } = readJson("package.json") as { dependencies: Readonly<Record<string, string>> };
  const started: Contender[] = [];
  for (const peer of PEERS) {
    if (threads > 1 && !peer.threads) continue;
    try {
      const title = `${peer.name} ${dependencies[peer.package]}`;
      started.push(await javascript(peer.library, peer.name, title, { threads, wide: false, patience }));
    } catch (error) {
      console.error(`${peer.name} does not start: ${error instanceof Error ? error.message : error}`);
    }
  }
  return started;
}

/** Puts the peers into `bench/node_modules`, where they are not there yet. */
function installPeers(): void {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  if (existsSync(join(folder, "node_modules"))) return;
  console.error(`Installing TensorFlow.js, jax-js and onnxruntime-node into ${folder}node_modules (about 600 MB).`);
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) console.error("They cannot be installed: the benchmark goes on without them.");
}
