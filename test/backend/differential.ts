/**
 * Runs a kernel on every variant of the WebAssembly backend and on the interpreter, and compares: within the bound that
 * rounding allows (error-bound.ts), bitwise between divisions of the launch, and that nothing else is written.
 */
import assert from "node:assert/strict";
import v8 from "node:v8";
import { agrees } from "../../src/backend/checking.ts";
import { elementAccess } from "../../src/backend/interpreter/elements.ts";
import type { Journal } from "../../src/backend/interpreter/evaluate.ts";
import { InterpreterBackend } from "../../src/backend/interpreter/interpreter.ts";
import { emitContraction } from "../../src/backend/wasm/contraction.ts";
import { chooseFeatures, type Features } from "../../src/backend/wasm/features.ts";
import { FRAME_BYTES } from "../../src/backend/wasm/frame.ts";
import { hostImports } from "../../src/backend/wasm/host.ts";
import { emitRow } from "../../src/backend/wasm/row.ts";
import { emitScatter } from "../../src/backend/wasm/scatter.ts";
import type { Run } from "../../src/backend/wasm/threads/protocol.ts";
import { emitFilters } from "../../src/backend/wasm/winograd/filters.ts";
import { emitWinograd } from "../../src/backend/wasm/winograd/index.ts";
import type { Kernel } from "../../src/ir/kernel.ts";
import type { Random } from "./random.ts";
import type { Sample } from "./random-kernel.ts";

interface Variant {
  readonly name: string;
  readonly features: Features;
  /** Whether V8 makes 256-bit instructions of pairs. */
  readonly wide: boolean;
}

const detected = chooseFeatures();
export const variants: readonly Variant[] = [
  ...(detected.wide ? [{ name: "256-bit", features: detected, wide: true }] : []),
  ...(detected.relaxed ? [{ name: "128-bit relaxed", features: chooseFeatures({ wide: false }), wide: false }] : []),
  ...(detected.simd ? [{ name: "128-bit", features: chooseFeatures({ relaxed: false }), wide: false }] : []),
  { name: "scalar", features: chooseFeatures({ simd: false }), wide: false },
];

const BLOCK = 1024;
const FRAME = 32768;
const SCRATCH = 65536;
const DATA = SCRATCH + (8 << 20);
const memory = new WebAssembly.Memory({ initial: 192 });
const bytes = new Uint8Array(memory.buffer);
const view = new DataView(memory.buffer);
const reference = new InterpreterBackend(memory, { trackErrors: true });

export class DifferentialTest {
  /** Elements compared so far. */
  elements = 0;

  /** Throws where a variant differs from the interpreter, or a divided launch from a whole one. */
  check(sample: Sample): void {
    const { kernel } = sample;
    const end = place(sample);
    const before = bytes.slice(DATA, end);
    const restore = (): void => bytes.set(before, DATA);
    const interpreted = reference.compile(kernel);
    const journal: Journal = new Map();
    interpreted.record(BLOCK, 0, interpreted.units(BLOCK), journal);
    this.elements += journal.size;
    for (const variant of variants) {
      // Both of V8's compilers; it revectorizes in the optimizing one only.
      const optimized = variant.wide || sample.random.chance(0.2);
      const { run, units, scratchBytes } = compile(kernel, variant, optimized);
      assert.ok(scratchBytes <= DATA - SCRATCH, `scratch of ${scratchBytes} bytes`);
      const fail = (problem: string): never => assert.fail(`${variant.name}: ${problem}\n${sample.text}`);
      const launch = (ranges: readonly (readonly [number, number])[]): void => {
        restore();
        // A kernel must not rely on what is in the scratch memory.
        bytes.fill(0xff, FRAME, FRAME + FRAME_BYTES);
        bytes.fill(0xff, SCRATCH, SCRATCH + scratchBytes);
        for (const [from, to] of ranges) run(BLOCK, from, to);
      };
      launch([[0, units]]);
      compare(journal, before, end, fail);
      const whole = bytes.slice(DATA, end);
      for (const ranges of divisions(kernel, units, sample.random)) {
        launch(ranges);
        const difference = differs(whole, end, journal);
        if (difference !== undefined) {
          const list = ranges.map(([from, to]) => `${from}-${to}`).join(" ");
          fail(`${difference} depends on the division ${list}`);
        }
      }
    }
  }
}

/** Puts parameters and buffers into the memory; everything between them is 0xff. Returns the end of the data. */
function place({ kernel, data, params, random }: Sample): number {
  let top = DATA + 64;
  const addresses = data.map(({ dtype, values }) => {
    const { size } = elementAccess[dtype];
    // Tensors begin at any multiple of their element's size.
    const start = Math.ceil(top / 64) * 64 + (random.chance(0.3) ? size * random.below(9) : 0);
    top = start + values.length * size + 64;
    return start;
  });
  assert.ok(top <= bytes.length, "too much data");
  bytes.fill(0xff, DATA, top);
  data.forEach(({ dtype, values }, i) => {
    const { size, write } = elementAccess[dtype];
    for (let j = 0; j < values.length; j++) write(view, addresses[i] + j * size, values[j]);
    view.setBigInt64(BLOCK + 8 * i, BigInt(addresses[i]), true);
  });
  params.forEach((p, i) => {
    const at = BLOCK + 8 * (data.length + i);
    const type = kernel.params[i];
    if (type === "i64") view.setBigInt64(at, BigInt(p), true);
    else if (type === "f32") view.setFloat32(at, Number(p), true);
    else if (type === "f64") view.setFloat64(at, Number(p), true);
    else view.setInt32(at, Number(p), true);
  });
  return top;
}

interface Compiled {
  readonly run: Run;
  readonly units: number;
  readonly scratchBytes: number;
}

function compile(kernel: Kernel, { name, features, wide }: Variant, optimized: boolean): Compiled {
  let code: Uint8Array<ArrayBuffer>;
  let units = reference.compile(kernel).units(BLOCK);
  let scratchBytes = 0;
  if (kernel.form === "contraction" || kernel.form === "winograd") {
    const read = (slot: number): number => view.getInt32(BLOCK + 8 * slot, true);
    const emitted = kernel.form === "winograd" ? emitWinograd(kernel, features) : emitContraction(kernel, features);
    code = emitted.bytes;
    units = emitted.units(read);
    scratchBytes = emitted.scratchBytes(read);
  } else if (kernel.form === "winograd_filters") code = emitFilters(kernel).bytes;
  else code = kernel.form === "row" ? emitRow(kernel, features).bytes : emitScatter(kernel, features);
  // Flags count when a function is first called; V8 shares the code of equal modules.
  v8.setFlagsFromString(optimized ? "--no-liftoff" : "--liftoff");
  if (detected.wide) v8.setFlagsFromString(`--${wide ? "" : "no-"}experimental-wasm-revectorize`);
  const module = new WebAssembly.Module(named(code, name));
  const imports = { env: { memory, scratch: () => SCRATCH, frame: FRAME }, host: hostImports };
  return { run: new WebAssembly.Instance(module, imports).exports.run as Run, units, scratchBytes };
}

/** The module with a custom section that has the name. */
function named(code: Uint8Array, name: string): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(name);
  const out = new Uint8Array(code.length + text.length + 3);
  out.set(code);
  out.set([0, text.length + 1, text.length, ...text], code.length);
  return out;
}

/** Ways to divide [0, units): in two places, and in chunks of random lengths, which need no order. */
function divisions(kernel: Kernel, units: number, random: Random): [number, number][][] {
  const ranges = (borders: number[]): [number, number][] => {
    const sorted = [0, ...borders.sort((x, y) => x - y), units];
    return sorted.slice(1).map((to, i) => [sorted[i], to]);
  };
  const few = ranges([random.below(units + 1), random.below(units + 1)]);
  // The writes of a scatter meet, so that their order matters.
  if (kernel.form === "scatter") return [few];
  const borders = Array.from({ length: Math.min(12, units) }, () => random.below(units + 1));
  return [few, random.shuffle(ranges(borders))];
}

/** Whether the memory is what the journal says. */
function compare(journal: Journal, before: Uint8Array, end: number, fail: (problem: string) => never): void {
  const written = new Uint8Array(end - DATA);
  for (const [address, entry] of journal) {
    const { size, read } = elementAccess[entry.dtype];
    written.fill(1, address - DATA, address - DATA + size);
    const got = read(view, address);
    if (agrees(got, entry)) continue;
    // The reference sums in float64, which overflows later.
    if (!Number.isFinite(Number(got)) && entry.error > 2 ** 90) continue;
    const start = view.getInt32(BLOCK + 8 * entry.buffer, true);
    const show = (x: number | bigint): string => (Object.is(x, -0) ? "-0" : String(x));
    fail(
      `b${entry.buffer}[${(address - start) / size}] (${entry.dtype}) is ${show(got)}, not ${show(entry.after)} ± ${4 * entry.error}`,
    );
  }
  for (let i = 0; i < written.length; i++)
    if (written[i] === 0 && bytes[DATA + i] !== before[i])
      fail(`byte ${i} of the data is written, and belongs to no result`);
}

/** Which written element the memory and `whole` differ in. NaN may have any bits: WebAssembly leaves them open. */
function differs(whole: Uint8Array, end: number, journal: Journal): string | undefined {
  if (Buffer.compare(whole, bytes.subarray(DATA, end)) === 0) return undefined;
  const old = new DataView(whole.buffer);
  for (const [address, { dtype, buffer }] of journal) {
    const { read } = elementAccess[dtype];
    const [x, y] = [read(old, address - DATA), read(view, address)];
    if (!Object.is(x, y)) return `an element of b${buffer} (${dtype}), ${x} or ${y},`;
  }
  return undefined;
}
