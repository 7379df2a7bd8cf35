/**
 * `torch.Generator` for the CPU, to the bit: same seed, same stream, same saved state as PyTorch.
 * Source: https://pytorch.org/docs/stable/generated/torch.Generator.html
 */
import { RuntimeError, ValueError } from "../errors.ts";
import { Mt19937 } from "./mt19937.ts";

/** What `torch.Generator()` starts from. */
const DEFAULT_SEED = 67280421310721n;

/**
 * The saved state is the C struct that PyTorch copies byte by byte, in little-endian order:
 * seed u64, left i32, seeded i32, next u64, 624 state words as u64 each, then the cached normal sample
 * (x f64, unused; y f64; rho f64, unused; valid i32 and 4 bytes of padding), a cached float32 sample that
 * no CPU kernel uses (f32, valid u8) and 3 bytes of padding.
 */
const STATE_BYTES = 5056;
const LEFT_AT = 8;
const SEEDED_AT = 12;
const NEXT_AT = 16;
const WORDS_AT = 24;
const NORMAL_Y_AT = WORDS_AT + 624 * 8 + 8;
const NORMAL_VALID_AT = NORMAL_Y_AT + 16;
const FLOAT_NORMAL_AT = NORMAL_VALID_AT + 8;
const FLOAT_NORMAL_VALID_AT = FLOAT_NORMAL_AT + 4;

/** A stream of pseudo-random numbers that can be seeded, saved and restored. */
export class Generator {
  readonly device = "cpu";
  /** The words behind every sample. Kernels of `distributions.ts` read them in blocks. */
  readonly engine: Mt19937 = new Mt19937();
  /** The second sample of the last Box-Muller pair, of mean 0 and deviation 1; `null` when it has been used. */
  nextNormal: number | null = null;
  #seed = DEFAULT_SEED;
  /** Carried from a loaded state to a saved one; no CPU kernel uses it. */
  #nextFloatNormal: number | null = null;

  constructor() {
    this.manual_seed(DEFAULT_SEED);
  }

  /**
   * Starts the stream that belongs to `seed`, a whole number from -2^63 to 2^64 - 1. A negative seed stands for
   * `2^64 + seed`. Seeds that agree in their low 32 bits give the same stream.
   */
  manual_seed(seed: number | bigint): this {
    this.#seed = seedBits(seed);
    this.engine.seed(Number(this.#seed & 0xffffffffn));
    this.nextNormal = null;
    this.#nextFloatNormal = null;
    return this;
  }

  /** Seeds with a 64-bit number from the system's entropy and returns it. */
  seed(): number | bigint {
    const words = globalThis.crypto.getRandomValues(new Uint32Array(2));
    this.manual_seed((BigInt(words[0]) << 32n) | BigInt(words[1]));
    return this.initial_seed();
  }

  /** The seed of this stream, from 0 to 2^64 - 1: a number while it is a safe integer, else a bigint. */
  initial_seed(): number | bigint {
    return this.#seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(this.#seed) : this.#seed;
  }

  /** The next 32 random bits, as a number from 0 to 2^32 - 1. */
  random(): number {
    return this.engine.random() >>> 0;
  }

  /** The next double in [0, 1), of 53 random bits; the first of two words holds the high bits. */
  random53(): number {
    const high = this.engine.random() & 0x1fffff;
    return (high * 4294967296 + (this.engine.random() >>> 0)) * 2 ** -53;
  }

  /** The stream's state in the 5056 bytes of `torch.get_rng_state()`. */
  get_state(): Uint8Array {
    const bytes = new Uint8Array(STATE_BYTES);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, this.#seed, true);
    view.setInt32(LEFT_AT, this.engine.left, true);
    view.setInt32(SEEDED_AT, 1, true);
    view.setUint32(NEXT_AT, this.engine.next, true);
    this.engine.state.forEach((word, i) => {
      view.setInt32(WORDS_AT + i * 8, word, true);
    });
    if (this.nextNormal !== null) {
      view.setFloat64(NORMAL_Y_AT, this.nextNormal, true);
      view.setInt32(NORMAL_VALID_AT, 1, true);
    }
    if (this.#nextFloatNormal !== null) {
      view.setFloat32(FLOAT_NORMAL_AT, this.#nextFloatNormal, true);
      view.setUint8(FLOAT_NORMAL_VALID_AT, 1);
    }
    return bytes;
  }

  /** Restores a state from `get_state()` or from PyTorch. An unusable one throws RuntimeError and changes nothing. */
  set_state(state: Uint8Array): this {
    if (!(state instanceof Uint8Array)) throw new TypeError("RNG state must be a torch.ByteTensor");
    if (state.length !== STATE_BYTES) {
      throw new RuntimeError(
        `Expected a CPUGeneratorImplState of size ${STATE_BYTES} but found the input RNG state size to be ${state.length}`,
      );
    }
    const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
    const left = view.getInt32(LEFT_AT, true);
    const next = view.getUint32(NEXT_AT, true);
    const seeded = view.getInt32(SEEDED_AT, true) !== 0;
    // The last condition is ours: where it fails PyTorch reads beyond its state.
    if (!seeded || left < 1 || left > 624 || next > 624 || next + left > 625) {
      throw new RuntimeError("Invalid mt19937 state");
    }
    this.#seed = view.getBigUint64(0, true);
    for (let i = 0; i < 624; i++) this.engine.state[i] = view.getInt32(WORDS_AT + i * 8, true);
    this.engine.temperBlock();
    this.engine.left = left;
    this.engine.next = next;
    this.nextNormal = view.getInt32(NORMAL_VALID_AT, true) !== 0 ? view.getFloat64(NORMAL_Y_AT, true) : null;
    this.#nextFloatNormal = view.getUint8(FLOAT_NORMAL_VALID_AT) !== 0 ? view.getFloat32(FLOAT_NORMAL_AT, true) : null;
    return this;
  }

  /** An independent generator that continues from the same point. */
  clone_state(): Generator {
    return new Generator().set_state(this.get_state());
  }
}

function seedBits(seed: number | bigint): bigint {
  if (typeof seed === "number" ? !Number.isInteger(seed) : typeof seed !== "bigint") {
    const kind = typeof seed === "number" ? "float" : typeof seed;
    throw new RuntimeError(`manual_seed expected a long, but got ${kind}`);
  }
  const value = BigInt(seed);
  if (value < -(2n ** 63n) || value >= 2n ** 64n) throw new ValueError("Overflow when unpacking long long");
  return BigInt.asUintN(64, value);
}

/** The generator of every random function that is given none. It starts from the system's entropy. */
export const default_generator: Generator = new Generator();
default_generator.seed();

/** Seeds the default generator and returns it. A fraction is cut off, as `int(seed)` does in PyTorch. */
export function manual_seed(seed: number | bigint): Generator {
  return default_generator.manual_seed(
    typeof seed === "number" && Number.isFinite(seed) ? BigInt(Math.trunc(seed)) : seed,
  );
}

/** Seeds the default generator from the system's entropy and returns the seed. */
export function seed(): number | bigint {
  return default_generator.seed();
}

/** The seed of the default generator. */
export function initial_seed(): number | bigint {
  return default_generator.initial_seed();
}

/** The state of the default generator: 5056 bytes, as PyTorch lays them out. */
export function get_rng_state(): Uint8Array {
  return default_generator.get_state();
}

/** Restores the state of the default generator. */
export function set_rng_state(state: Uint8Array): void {
  default_generator.set_state(state);
}
