/** Starts Chromium without a window and ends all of its processes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** The program: what CHROMIUM_PATH says, else one in the usual places; null if there is none. */
export function findChromium(): string | null {
  const { CHROMIUM_PATH, PATH = "" } = process.env;
  if (CHROMIUM_PATH) return existsSync(CHROMIUM_PATH) ? CHROMIUM_PATH : null;
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const onPath = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return ["/usr/bin/chromium", ...onPath].find((path) => existsSync(path)) ?? null;
}

const FLAGS = [
  "--headless",
  // A container has no user namespaces for the sandbox; the only page is our own.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-extensions",
  "--disable-breakpad",
  "--disable-crash-reporter",
];

export class Chromium implements AsyncDisposable {
  /** What it wrote to stderr. */
  log = "";
  /** Resolves with a description when the program ends by itself. */
  readonly ended: Promise<string>;
  private readonly child: ChildProcess;
  private readonly profile: string;

  private constructor(program: string, profile: string, address: string) {
    this.profile = profile;
    // A group of its own, so that its helpers can be ended with it.
    this.child = spawn(program, [...FLAGS, `--user-data-dir=${profile}`, address], {
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.child.stderr?.on("data", (text) => {
      this.log += text;
    });
    this.ended = new Promise((resolve) => {
      this.child.on("error", (error) => resolve(error.message));
      this.child.on("exit", (code, signal) => resolve(`ended with ${signal ?? code}`));
    });
  }

  static async open(program: string, address: string): Promise<Chromium> {
    return new Chromium(program, await mkdtemp(join(tmpdir(), "kindling-chromium-")), address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { child } = this;
    if (child.pid !== undefined) {
      // Asked politely it ends its helpers itself; what is left of the group after that is killed.
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        await Promise.race([once(child, "exit"), setTimeout(5000, null, { ref: false })]);
      }
      const closed = child.exitCode === null && child.signalCode === null ? once(child, "exit") : null;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group is gone already.
      }
      await closed;
    }
    await rm(this.profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
