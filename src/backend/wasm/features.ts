/** Which instructions the generators may use: what the engine supports, or what a test asks for. */
import { type FunctionBuilder, ModuleBuilder } from "./assembler.ts";
import { enableRevectorization } from "./revectorize.ts";

export interface Features {
  /** 128-bit vectors. */
  readonly simd: boolean;
  /** Relaxed SIMD, of which we use fused multiply-add, lane select and the unchecked conversions. */
  readonly relaxed: boolean;
  /** Neighbouring pairs of 128-bit operations become one of 256 bits (revectorize.ts). */
  readonly wide: boolean;
}

function accepts(body: (f: FunctionBuilder) => void): boolean {
  const module = new ModuleBuilder();
  body(module.function([], []));
  return WebAssembly.validate(module.bytes());
}

let detected: Features | undefined;
let wide: boolean | undefined;

/** What this engine supports. Node 20 has relaxed SIMD behind a flag only. */
export function detectFeatures(): Features {
  if (detected === undefined) {
    const zero = new Uint8Array(16);
    const simd = accepts((f) => f.v128(zero).op("v128.any_true").drop());
    const relaxed = simd && accepts((f) => f.v128(zero).v128(zero).v128(zero).op("f32x4.relaxed_madd").drop());
    detected = {
      simd,
      relaxed,
      // Its trial takes some milliseconds, so it waits for the first kernel that asks.
      get wide() {
        wide ??= relaxed && enableRevectorization();
        return wide;
      },
    };
  }
  return detected;
}

/** The detected features with some of them switched off. Switching on what the engine lacks has no effect. */
export function chooseFeatures(override: Partial<Features> = {}): Features {
  const found = detectFeatures();
  const simd = found.simd && override.simd !== false;
  const relaxed = simd && found.relaxed && override.relaxed !== false;
  return {
    simd,
    relaxed,
    get wide() {
      return relaxed && override.wide !== false && found.wide;
    },
  };
}
