/** A child process that answers requests: one JSON object a line on its standard input, one answer a line on its standard output. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Prepared, Results } from "./contender.ts";

export interface Channel {
  /** What the process said when it was ready. */
  readonly greeting: unknown;
  /** Throws what the process reports as an error, or that it has ended. After an answer that took longer than `seconds` it has. */
  ask(request: object, seconds?: number): Promise<unknown>;
  readonly ended: boolean;
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
  let ended = false;
  const read = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) {
      ended = true;
      throw new Error(`${command} ${args[0]} ended`);
    }
    const { answer, error } = JSON.parse(value) as Reply;
    if (error !== undefined) throw new Error(error);
    return answer;
  };
  return {
    greeting: await read(),
    get ended() {
      return ended;
    },
    async ask(request, seconds) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      if (seconds === undefined) return read();
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        child.kill("SIGKILL");
      }, seconds * 1000);
      try {
        return await read();
      } catch (error) {
        throw late ? new Error(`takes more than ${seconds} s`) : error;
      } finally {
        clearTimeout(timer);
      }
    },
    close() {
      child.stdin.end();
    },
  };
}

/** The requests of a benchmark, apart from the one that prepares a row. The results may not take longer than `seconds`. */
export function answers(channel: Pick<Channel, "ask">, seconds?: number): Prepared {
  return {
    results: async (call) => (await channel.ask({ do: "results", call }, seconds)) as Results,
    measure: async (milliseconds) => (await channel.ask({ do: "measure", milliseconds })) as number[],
  };
}
