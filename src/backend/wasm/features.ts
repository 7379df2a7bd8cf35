/** Which instructions the generators may use: what the engine supports, or what a test asks for. */
import { type FunctionBuilder, ModuleBuilder } from "./assembler.ts";

export interface Features {
  /** 128-bit vectors. */
  readonly simd: boolean;
  /** Relaxed SIMD, of which we use fused multiply-add, lane select and the unchecked conversions. */
  readonly relaxed: boolean;
}

function accepts(body: (f: FunctionBuilder) => void): boolean {
  const module = new ModuleBuilder();
  body(module.function([], []));
  return WebAssembly.validate(module.bytes());
}

let detected: Features | undefined;

/** What this engine supports. Node 20 has relaxed SIMD behind a flag only. */
export function detectFeatures(): Features {
  if (detected === undefined) {
    const zero = new Uint8Array(16);
    const simd = accepts((f) => f.v128(zero).op("v128.any_true").drop());
    const relaxed = simd && accepts((f) => f.v128(zero).v128(zero).v128(zero).op("f32x4.relaxed_madd").drop());
    detected = { simd, relaxed };
  }
  return detected;
}

/** The detected features with some of them switched off. Switching on what the engine lacks has no effect. */
export function chooseFeatures(override: Partial<Features> = {}): Features {
  const { simd, relaxed } = detectFeatures();
  const useSimd = simd && override.simd !== false;
  return { simd: useSimd, relaxed: relaxed && useSimd && override.relaxed !== false };
}
