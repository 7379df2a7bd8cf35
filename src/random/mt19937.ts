/**
 * The Mersenne Twister, as PyTorch's CPU generator runs it.
 * Source: M. Matsumoto, T. Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform pseudo-random
 * number generator", ACM TOMACS 8 (1998), with the seeding of mt19937ar.c (2002).
 */

/** Words that are made at a time. */
export const BLOCK_WORDS = 624;
const N = BLOCK_WORDS;
const M = 397;
const MATRIX_A = 0x9908b0df | 0;
const UPPER_MASK = 0x80000000 | 0;
const LOWER_MASK = 0x7fffffff;

/**
 * 624 words are generated and tempered at a time. Code that fills arrays reads them straight from `block`:
 *
 *     if (engine.left === 1) engine.refill();
 *     // engine.left - 1 words are available at block[engine.next], block[engine.next + 1], ...
 *     engine.next += taken;
 *     engine.left -= taken;
 */
export class Mt19937 {
  /** The state before tempering: this is what a saved generator state holds. */
  readonly state: Int32Array = new Int32Array(N);
  /** The tempered words that belong to `state`, as signed 32-bit integers. */
  readonly block: Int32Array = new Int32Array(N);
  /** One more than the number of unread words in `block`; 1 right after seeding. PyTorch saves it under this name. */
  left = 1;
  /** Index of the next unread word in `block`. PyTorch saves it under this name. */
  next = 0;

  /** Only the low 32 bits of PyTorch's 64-bit seed enter the state. */
  seed(low32: number): void {
    const { state } = this;
    state[0] = low32;
    for (let j = 1; j < N; j++) {
      const previous = state[j - 1];
      state[j] = Math.imul(1812433253, previous ^ (previous >>> 30)) + j;
    }
    this.left = 1;
    this.next = 0;
  }

  /** Makes the next 624 words. To be called when `left` is 1, and followed by reading at least one word. */
  refill(): void {
    const { state } = this;
    let p = state[0];
    for (let j = 0; j < N - M; j++) {
      const q = state[j + 1];
      state[j] = state[j + M] ^ twist(p, q);
      p = q;
    }
    for (let j = N - M; j < N - 1; j++) {
      const q = state[j + 1];
      state[j] = state[j + M - N] ^ twist(p, q);
      p = q;
    }
    state[N - 1] = state[M - 1] ^ twist(p, state[0]);
    this.temperBlock();
    this.left = N + 1;
    this.next = 0;
  }

  /** Recomputes `block` from `state`, as is needed after loading a saved state. */
  temperBlock(): void {
    const { state, block } = this;
    for (let j = 0; j < N; j++) {
      let y = state[j];
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      block[j] = y ^ (y >>> 18);
    }
  }

  /** The next word, as a signed 32-bit integer (`>>> 0` makes it unsigned). */
  random(): number {
    if (this.left === 1) this.refill();
    this.left--;
    return this.block[this.next++];
  }
}

/** `p` and `q` are consecutive words of the state. */
function twist(p: number, q: number): number {
  return (((p & UPPER_MASK) | (q & LOWER_MASK)) >>> 1) ^ (-(q & 1) & MATRIX_A);
}
