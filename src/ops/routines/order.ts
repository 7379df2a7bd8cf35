/**
 * Stable sorting of positions by keys. Every element type becomes one or two 32-bit words whose unsigned order is the order of the
 * elements, with NaN last and -0 equal to 0; long rows are sorted by radix (least significant digit first, 11 bits at a time),
 * short ones by insertion. int64 thus needs no bigints.
 */
import type { Elements } from "../define/axis.ts";

/** Up to this length insertion is faster. */
const SHORT = 40;
const DIGIT = 11;
const RADIX = 1 << DIGIT;

const histogram = new Int32Array(RADIX);

/** 0, 1, …, n - 1. */
export function positions(n: number): Int32Array<ArrayBuffer> {
  const list = new Int32Array(n);
  for (let i = 0; i < n; i++) list[i] = i;
  return list;
}

/** Room for sorting rows of up to `capacity` elements. */
export class RowSorter {
  /** The positions in order, after `sort`. */
  order: Int32Array<ArrayBuffer>;
  private other: Int32Array<ArrayBuffer>;
  private readonly high: Uint32Array<ArrayBuffer>;
  private readonly low: Uint32Array<ArrayBuffer>;
  private readonly swap: Uint32Array<ArrayBuffer>;
  private readonly descending: boolean;
  private readonly wide: boolean;

  constructor(elements: Elements, capacity: number, descending: boolean) {
    this.descending = descending;
    this.wide = elements.BYTES_PER_ELEMENT === 8;
    this.order = positions(capacity);
    this.other = new Int32Array(capacity);
    this.high = new Uint32Array(capacity);
    this.swap = new Uint32Array(capacity);
    this.low = new Uint32Array(this.wide ? capacity : 0);
  }

  /** Sorts the `n` elements at `start`, `step` apart. The result is in `order`, as positions from 0. */
  sort(elements: Elements, start: number, n: number, step = 1): void {
    const { order } = this;
    for (let i = 0; i < n; i++) order[i] = i;
    this.resort(elements, start, n, step);
  }

  /** Sorts what `order` has now by other elements: positions whose keys are equal keep their order. */
  resort(elements: Elements, start: number, n: number, step: number): void {
    writeKeys(elements, start, n, step, this.order, this.descending, this.high, this.low);
    if (n <= SHORT) {
      this.insertion(n);
      return;
    }
    if (!this.wide) {
      this.radix(this.high, n);
      return;
    }
    this.radix(this.low, n);
    // The high words in the order that the low ones gave.
    writeKeys(elements, start, n, step, this.order, this.descending, this.high, this.low);
    this.radix(this.high, n);
  }

  private insertion(n: number): void {
    const { order, high, low, wide } = this;
    for (let i = 1; i < n; i++) {
      const h = high[i];
      const l = wide ? low[i] : 0;
      const position = order[i];
      let j = i - 1;
      while (j >= 0 && (high[j] > h || (wide && high[j] === h && low[j] > l))) {
        high[j + 1] = high[j];
        if (wide) low[j + 1] = low[j];
        order[j + 1] = order[j];
        j--;
      }
      high[j + 1] = h;
      if (wide) low[j + 1] = l;
      order[j + 1] = position;
    }
  }

  /** Sorts `order` by `words`, which are lost. */
  private radix(words: Uint32Array<ArrayBuffer>, n: number): void {
    let keys = words;
    let spare = this.swap;
    for (let shift = 0; shift < 32; shift += DIGIT) {
      histogram.fill(0);
      for (let i = 0; i < n; i++) histogram[(keys[i] >>> shift) & (RADIX - 1)]++;
      // All keys have the same digit here: nothing moves.
      if (histogram[(keys[0] >>> shift) & (RADIX - 1)] === n) continue;
      let sum = 0;
      for (let d = 0; d < RADIX; d++) {
        const count = histogram[d];
        histogram[d] = sum;
        sum += count;
      }
      const { order, other } = this;
      for (let i = 0; i < n; i++) {
        const key = keys[i];
        const to = histogram[(key >>> shift) & (RADIX - 1)]++;
        spare[to] = key;
        other[to] = order[i];
      }
      const t = keys;
      keys = spare;
      spare = t;
      this.order = other;
      this.other = order;
    }
  }
}

/** The keys of the elements at positions `order`, inverted for descending order. */
function writeKeys(
  elements: Elements,
  start: number,
  n: number,
  step: number,
  order: Int32Array,
  descending: boolean,
  high: Uint32Array,
  low: Uint32Array,
): void {
  const flip = descending ? -1 : 0;
  if (elements instanceof Float32Array) {
    const bits = new Int32Array(elements.buffer, elements.byteOffset, elements.length);
    for (let i = 0; i < n; i++) {
      const b = bits[start + order[i] * step];
      high[i] = floatKey(b, (b & 0x7fffffff) > 0x7f800000, b << 1 === 0) ^ flip;
    }
  } else if (elements.BYTES_PER_ELEMENT === 8) {
    const words = new Int32Array(elements.buffer, elements.byteOffset, 2 * elements.length);
    const float = elements instanceof Float64Array;
    for (let i = 0; i < n; i++) {
      const at = 2 * (start + order[i] * step);
      const l = words[at];
      const h = words[at + 1];
      if (!float) {
        high[i] = h ^ -0x80000000 ^ flip;
        low[i] = l ^ flip;
        continue;
      }
      const size = h & 0x7fffffff;
      const nan = size > 0x7ff00000 || (size === 0x7ff00000 && l !== 0);
      const zero = size === 0 && l === 0;
      high[i] = floatKey(h, nan, zero) ^ flip;
      low[i] = (nan ? -1 : zero ? 0 : h < 0 ? ~l : l) ^ flip;
    }
  } else {
    const small = elements as Int32Array;
    for (let i = 0; i < n; i++) high[i] = small[start + order[i] * step] ^ -0x80000000 ^ flip;
  }
}

/** The upper bits of a float as a key: all bits of negative numbers are inverted, the sign bit of the others. */
function floatKey(bits: number, nan: boolean, zero: boolean): number {
  if (nan) return -1;
  if (zero) return -0x80000000;
  return bits < 0 ? ~bits : bits ^ -0x80000000;
}

/**
 * Finds the first `k` elements of rows in sorted order without sorting all: keeps the best in a heap with the worst on top. Of
 * equal elements the earlier ones are kept. For element types of at most 32 bits.
 */
export class TopSelector {
  private readonly row: Uint32Array<ArrayBuffer>;
  private readonly identity: Int32Array<ArrayBuffer>;
  private readonly keys: Uint32Array<ArrayBuffer>;
  private readonly positions: Int32Array<ArrayBuffer>;
  private readonly descending: boolean;

  constructor(k: number, capacity: number, descending: boolean) {
    this.row = new Uint32Array(capacity);
    this.identity = positions(capacity);
    this.keys = new Uint32Array(k);
    this.positions = new Int32Array(k);
    this.descending = descending;
  }

  /** Positions of the first elements among the `n` at `start`, in order. */
  select(elements: Elements, start: number, n: number): Int32Array {
    const { row, keys, positions } = this;
    writeKeys(elements, start, n, 1, this.identity, this.descending, row, row);
    const k = keys.length;
    for (let i = 0; i < k; i++) {
      const value = row[i];
      let at = i;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!this.after(value, i, parent)) break;
        keys[at] = keys[parent];
        positions[at] = positions[parent];
        at = parent;
      }
      keys[at] = value;
      positions[at] = i;
    }
    for (let i = k; i < n; i++) if (row[i] < keys[0]) this.sink(row[i], i, k);
    // The worst goes to the end, again and again.
    for (let end = k - 1; end > 0; end--) {
      const value = keys[end];
      const position = positions[end];
      keys[end] = keys[0];
      positions[end] = positions[0];
      this.sink(value, position, end);
    }
    return positions;
  }

  /** Whether a key comes after the one at `at` of the heap. */
  private after(value: number, position: number, at: number): boolean {
    return value > this.keys[at] || (value === this.keys[at] && position > this.positions[at]);
  }

  /** Puts a key in the place of the heap's top and restores the heap. */
  private sink(value: number, position: number, size: number): void {
    const { keys, positions } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.after(keys[child + 1], positions[child + 1], child)) child++;
      if (this.after(value, position, child)) break;
      keys[at] = keys[child];
      positions[at] = positions[child];
      at = child;
    }
    keys[at] = value;
    positions[at] = position;
  }
}
