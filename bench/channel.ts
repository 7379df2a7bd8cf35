/** A child process that answers requests: one JSON object a line on its standard input, one answer a line on its standard output. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Prepared, Results } from "./contender.ts";

export interface Channel {
  /** What the process said when it was ready. */
  readonly greeting: unknown;
  /** Throws what the process reports as an error, or that it has ended. */
  ask(request: object): Promise<unknown>;
  close(): void;
}

interface Reply {
  readonly answer?: unknown;
  readonly error?: string;
}

export async function openChannel(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Channel> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "inherit"] });
  // A write to a process that has ended: the missing answer says so.
  child.stdin.on("error", () => {});
  child.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ${args[0]} ended`);
    const { answer, error } = JSON.parse(value) as Reply;
    if (error !== undefined) throw new Error(error);
    return answer;
  };
  return {
    greeting: await read(),
    ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return read();
    },
    close() {
      child.stdin.end();
    },
  };
}

/** The requests of a benchmark, apart from the one that prepares a row. */
export function answers(channel: Pick<Channel, "ask">): Prepared {
  return {
    results: async (call) => (await channel.ask({ do: "results", call })) as Results,
    measure: async (milliseconds) => (await channel.ask({ do: "measure", milliseconds })) as number[],
  };
}
