/**
 * The worker threads. The calling thread takes part in every job and claims chunks as the workers do, so that a worker
 * that is late, or whose core is busy elsewhere, costs nothing but its help. Where chunks begin and end depends on the job
 * alone: results do not depend on the number of threads.
 */
import { RuntimeError } from "../../../errors.ts";
import { FRAME_BYTES } from "../frame.ts";
import {
  BEGIN,
  BLOCK,
  CALLER_SLEEPING,
  CHUNK,
  CHUNKS,
  CONTROL_WORDS,
  close,
  DONE,
  END,
  EPOCH,
  EPOCHS,
  FAILED,
  KERNEL,
  MOST_CHUNKS,
  open,
  type Run,
  runChunks,
  SCRATCH,
  SLEEPING,
  WORKERS,
} from "./protocol.ts";
import type { WorkerStart } from "./worker.ts";

/** A worker thread of either platform. */
interface Thread {
  terminate(): unknown;
}

interface NodeWorkers {
  readonly Worker: new (
    url: URL,
    options: { workerData: WorkerStart },
  ) => Thread & { on(event: string, listener: (detail: unknown) => void): void; unref(): void };
}

interface Platform {
  readonly process?: { getBuiltinModule?(name: string): unknown; readonly env?: Record<string, string | undefined> };
  readonly navigator?: { readonly hardwareConcurrency?: number };
  readonly crossOriginIsolated?: boolean;
  readonly Worker?: new (
    url: URL,
    options: { type: "module" },
  ) => Thread & { postMessage(message: WorkerStart): void; onerror: ((event: { message: string }) => void) | null };
}

const platform = globalThis as Platform;
const nodeWorkers = platform.process?.getBuiltinModule?.("node:worker_threads") as NodeWorkers | undefined;

/** Whether threads can share memory here: in Node, and in pages that are cross-origin isolated. */
export function threadsAvailable(): boolean {
  return (
    typeof SharedArrayBuffer !== "undefined" &&
    (nodeWorkers !== undefined || (platform.crossOriginIsolated === true && platform.Worker !== undefined))
  );
}

/** As many as this process may use processors, or as OMP_NUM_THREADS says, which PyTorch obeys too. */
function defaultThreads(): number {
  const wanted = Number.parseInt(platform.process?.env?.OMP_NUM_THREADS ?? "", 10);
  if (wanted > 0) return wanted;
  const os = platform.process?.getBuiltinModule?.("node:os") as { availableParallelism?(): number } | undefined;
  return os?.availableParallelism?.() ?? platform.navigator?.hardwareConcurrency ?? 1;
}

/** Work, in estimated nanoseconds, from which on a launch is divided. */
export const LEAST_WORK = 20_000;
/** The same while workers sleep: to wake one takes 50 µs. */
const LEAST_WORK_ASLEEP = 80_000;
/** Workers are started when so much work could have used them: a program with little to do should not pay for them. */
const START_WORK = 5_000_000;
const MOST_THREADS = CONTROL_WORDS - SCRATCH + 1;
/** Scratch memory is never freed, so it is not taken in small steps. */
const LEAST_SCRATCH = 2 ** 20;
/** How long the caller looks whether the last chunks are done before it sleeps, so that others get its processor. */
const SPIN_MS = 0.1;
/** A chunk takes less than a millisecond. After so many sleeps of a second, the worker that has it never will finish. */
const PATIENCE = 30;

export class ThreadPool {
  private readonly memory: WebAssembly.Memory;
  private readonly reserve: (bytes: number) => number;
  private readonly available: boolean;
  private wanted: number;
  private readonly threads: Thread[] = [];
  private control: Int32Array | null = null;
  private controlAddress = 0;
  private epoch = 0;
  private scratchBytes = 0;
  private missed = 0;
  private readonly addresses = new WeakMap<Uint8Array, number>();

  /** `reserve` gives memory that is never freed. */
  constructor(memory: WebAssembly.Memory, reserve: (bytes: number) => number) {
    this.memory = memory;
    this.reserve = reserve;
    this.available = threadsAvailable() && (memory.buffer as ArrayBufferLike) instanceof SharedArrayBuffer;
    this.wanted = 1;
    this.size = defaultThreads();
  }

  /**
   * How many threads work on a job, the calling one included. Workers start when there has been some work for them;
   * those that are too many later sleep.
   */
  get size(): number {
    return this.wanted;
  }

  set size(threads: number) {
    this.wanted = this.available ? Math.max(1, Math.min(threads, MOST_THREADS)) : 1;
  }

  /** Whether a launch of `work` estimated nanoseconds gains by being divided. */
  pays(work: number): boolean {
    if (work < LEAST_WORK || this.wanted === 1) return false;
    const { control } = this;
    if (control === null || this.threads.length < this.wanted - 1) {
      this.missed += work;
      return this.missed >= START_WORK;
    }
    return work >= LEAST_WORK_ASLEEP || this.threads.length - Atomics.load(control, SLEEPING) >= this.wanted - 1;
  }

  /** How many workers have been started. */
  get workers(): number {
    return this.threads.length;
  }

  /** Runs the work units from `begin` to `end`, in chunks of `chunk` or more. `bytes` is the module that exports `run`. */
  run(
    bytes: Uint8Array,
    run: Run,
    scratchBytes: number,
    block: number,
    begin: number,
    end: number,
    chunk: number,
  ): void {
    const control = this.start(scratchBytes);
    const size = Math.max(chunk, Math.ceil((end - begin) / MOST_CHUNKS));
    const chunks = Math.ceil((end - begin) / size);
    control[KERNEL] = this.addressOf(bytes);
    control[BLOCK] = block;
    control[BEGIN] = begin;
    control[END] = end;
    control[CHUNK] = size;
    control[CHUNKS] = chunks;
    control[DONE] = 0;
    control[FAILED] = 0;
    control[WORKERS] = this.wanted - 1;
    this.epoch = (this.epoch + 1) % EPOCHS;
    open(control, this.epoch);
    Atomics.store(control, EPOCH, this.epoch);
    if (Atomics.load(control, SLEEPING) > 0) Atomics.notify(control, EPOCH);
    let claimed = chunks;
    try {
      runChunks(control, this.epoch, () => run);
    } catch (error) {
      claimed = close(control, this.epoch);
      throw error;
    } finally {
      this.wait(control, claimed);
      close(control, this.epoch);
    }
    if (Atomics.load(control, FAILED) !== 0) {
      throw new RuntimeError(
        "Kindling: a kernel failed in a worker thread. The results of the last operation are not valid; with torch.set_num_threads(1) its error is shown.",
      );
    }
  }

  /** Waits until all chunks are done. The caller has none left. */
  private wait(control: Int32Array, chunks: number): void {
    if (Atomics.load(control, DONE) === chunks) return;
    const start = performance.now();
    for (let looks = 1; looks % 64 !== 0 || performance.now() - start < SPIN_MS; looks++)
      if (Atomics.load(control, DONE) === chunks) return;
    // A worker whose processor is taken away gets it back the sooner the less others use it.
    let patience = PATIENCE;
    Atomics.store(control, CALLER_SLEEPING, 1);
    for (;;) {
      const done = Atomics.load(control, DONE);
      if (done === chunks) break;
      if (sleep(control, DONE, done) === "timed-out" && --patience === 0) {
        close(control, this.epoch);
        Atomics.store(control, CALLER_SLEEPING, 0);
        this.fail(`has not finished its work for ${PATIENCE} s, or has ended`);
      }
    }
    Atomics.store(control, CALLER_SLEEPING, 0);
  }

  private dismiss(): void {
    this.size = 1;
    // The words count sleepers that are no more.
    this.control = null;
    for (const thread of this.threads.splice(0)) thread.terminate();
  }

  /** Sends all workers away and throws. */
  private fail(reason: string): never {
    this.dismiss();
    throw new RuntimeError(
      `Kindling: a worker thread ${reason}. The results of the last operation are not valid; later ones run on one thread, until torch.set_num_threads.`,
    );
  }

  /** The control words, with all threads started; those that are not up yet help with later jobs. */
  private start(scratchBytes: number): Int32Array {
    if (this.control === null) {
      this.controlAddress = this.reserve(4 * CONTROL_WORDS);
      this.control = new Int32Array(this.memory.buffer, this.controlAddress, CONTROL_WORDS);
      this.control.fill(0);
    }
    const workers = this.wanted - 1;
    if (scratchBytes > this.scratchBytes || this.threads.length < workers) {
      const bytes = scratchBytes > this.scratchBytes ? Math.max(scratchBytes, LEAST_SCRATCH) : this.scratchBytes;
      const from = bytes > this.scratchBytes ? 0 : this.threads.length;
      for (let i = from; i < Math.max(workers, this.threads.length); i++)
        this.control[SCRATCH + i] = bytes > 0 ? this.reserve(bytes) : 0;
      this.scratchBytes = bytes;
      while (this.threads.length < workers) this.threads.push(this.startThread(this.threads.length));
    }
    return this.control;
  }

  private startThread(index: number): Thread {
    const data: WorkerStart = {
      kindling: "worker",
      memory: this.memory,
      control: this.controlAddress,
      words: CONTROL_WORDS,
      index,
      frame: this.reserve(FRAME_BYTES),
    };
    const start = nodeWorkers ? startInNode : startInBrowser;
    const thread: Thread = start(data, (reason) => {
      // Threads that were sent away are no longer in the list.
      if (!this.threads.includes(thread)) return;
      this.dismiss();
      console.warn(`Kindling: a worker thread ended: ${reason}. Work goes on with one thread.`);
    });
    return thread;
  }

  private addressOf(bytes: Uint8Array): number {
    let address = this.addresses.get(bytes);
    if (address === undefined) {
      address = this.reserve(4 + bytes.length);
      new Int32Array(this.memory.buffer, address, 1)[0] = bytes.length;
      new Uint8Array(this.memory.buffer, address + 4, bytes.length).set(bytes);
      this.addresses.set(bytes, address);
    }
    return address;
  }
}

function startInNode(data: WorkerStart, ended: (reason: string) => void): Thread {
  const { Worker } = nodeWorkers as NodeWorkers;
  const source = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
  const worker = new Worker(new URL(source, import.meta.url), { workerData: data });
  worker.unref();
  worker.on("error", (error) => ended(String(error)));
  worker.on("exit", (code) => ended(`exit code ${code}`));
  return worker;
}

function startInBrowser(data: WorkerStart, ended: (reason: string) => void): Thread {
  const Worker = platform.Worker as NonNullable<Platform["Worker"]>;
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  worker.postMessage(data);
  worker.onerror = ({ message }) => ended(message);
  return worker;
}

/** Sleeps up to a second while the word is `value`. The main thread of a page may not sleep: it looks, as long. */
function sleep(control: Int32Array, word: number, value: number): "ok" | "not-equal" | "timed-out" {
  if (maySleep()) return Atomics.wait(control, word, value, 1000);
  const start = performance.now();
  for (let looks = 1; looks % 64 !== 0 || performance.now() - start < 1000; looks++)
    if (Atomics.load(control, word) !== value) return "ok";
  return "timed-out";
}

let mainOfPage: boolean | null = null;

function maySleep(): boolean {
  if (mainOfPage === null) {
    try {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
      mainOfPage = false;
    } catch {
      mainOfPage = true;
    }
  }
  return !mainOfPage;
}
