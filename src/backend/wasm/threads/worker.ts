/**
 * A worker thread. It never returns to its event loop: it takes jobs from shared memory, and modules as bytes, since
 * whoever waits receives no messages.
 */
import { hostImports } from "../host.ts";
import { instantiate } from "../instantiate.ts";
import { EPOCH, KERNEL, type Run, runChunks, SCRATCH, SLEEPING, WORKERS } from "./protocol.ts";

/** What a worker is started with. */
export interface WorkerStart {
  readonly kindling: "worker";
  readonly memory: WebAssembly.Memory;
  /** Byte address of the control words. */
  readonly control: number;
  readonly words: number;
  readonly index: number;
  /** Byte address of the memory for kernels' temporaries: see WasmBackendOptions. */
  readonly frame: number;
}

/** How long a worker looks for the next job before it sleeps: waking costs some 50 µs. */
const SPIN_MS = 0.2;
const LOOKS = 64;

function work({ memory, control: address, words, index, frame }: WorkerStart): void {
  const control = new Int32Array(memory.buffer, address, words);
  const imports: WebAssembly.Imports = {
    env: { memory, scratch: () => control[SCRATCH + index], frame },
    host: hostImports,
  };
  const kernels = new Map<number, Run>();
  const kernelAt = (at: number): Run => {
    let run = kernels.get(at);
    if (run === undefined) {
      // This thread may not have noticed yet that another one made the memory larger.
      memory.grow(0);
      const [length] = new Int32Array(memory.buffer, at, 1);
      // A copy: a module cannot be made of shared memory.
      const bytes = new Uint8Array(length);
      bytes.set(new Uint8Array(memory.buffer, at + 4, length));
      run = instantiate(bytes, imports);
      kernels.set(at, run);
    }
    return run;
  };
  let seen = Atomics.load(control, EPOCH);
  for (;;) {
    // One that is not wanted at present does not look either.
    const until = index < Atomics.load(control, WORKERS) ? performance.now() + SPIN_MS : 0;
    let epoch = seen;
    while (epoch === seen) {
      for (let i = 0; i < LOOKS && epoch === seen; i++) epoch = Atomics.load(control, EPOCH);
      if (epoch !== seen || performance.now() < until) continue;
      Atomics.add(control, SLEEPING, 1);
      Atomics.wait(control, EPOCH, seen, Number.POSITIVE_INFINITY);
      Atomics.sub(control, SLEEPING, 1);
      epoch = Atomics.load(control, EPOCH);
    }
    seen = epoch;
    if (index >= Atomics.load(control, WORKERS)) continue;
    try {
      runChunks(control, epoch, () => kernelAt(control[KERNEL]));
    } catch {
      // The caller has been told, and says so.
    }
  }
}

interface Parent {
  readonly workerData?: WorkerStart;
}

const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
const parent = process?.getBuiltinModule?.("node:worker_threads") as Parent | undefined;
if (parent?.workerData?.kindling === "worker") work(parent.workerData);
else
  globalThis.onmessage = ({ data }: MessageEvent<WorkerStart>): void => {
    work(data);
  };
