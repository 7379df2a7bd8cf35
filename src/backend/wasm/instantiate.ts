/** From the bytes of a kernel's module to its function. */
import type { MemoryLimits } from "./assembler.ts";
import type { Run } from "./threads/protocol.ts";

/** What a module must say of the memory that it is given: a shared one needs limits. */
export function memoryLimits(memory: WebAssembly.Memory): MemoryLimits {
  const shared = typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer;
  return shared ? { minimum: 0, maximum: 65536, shared } : {};
}

/** Makes the kernel's function in this thread. */
export function instantiate(bytes: Uint8Array<ArrayBuffer>, imports: WebAssembly.Imports): Run {
  const module = new WebAssembly.Module(bytes);
  const run = new WebAssembly.Instance(module, imports).exports.run as Run;
  if (!WebAssembly.Module.imports(module).some((i) => i.module === "host")) return run;
  return (block, begin, end) => {
    leaveWideVectors();
    run(block, begin, end);
  };
}

const copied = new Uint8Array(4096);

/**
 * 256-bit code leaves the processor in a state in which the C code behind Math.exp and its kin is slow, which V8 does not end:
 * 300 ns a call instead of 20, measured on Zen 3. A copy of memory ends it, because C's memcpy cleans up behind its own vectors.
 */
export function leaveWideVectors(): void {
  copied.copyWithin(0, 2048);
}
