/**
 * The free memory of the heap: blocks by size class, to be reused as they are, and larger ranges to cut blocks from.
 */

/** Every block starts at a multiple of this, and its size is one. */
export const ALIGN = 64;

/** Size classes: eight steps a doubling, so at most 12.5 % of a block is wasted. */
export function classSize(bytes: number): number {
  if (bytes <= 512) return bytes <= ALIGN ? ALIGN : (bytes + ALIGN - 1) & ~(ALIGN - 1);
  // 31 - clz32 is the floor of the logarithm.
  const step = 2 ** (28 - Math.clz32(bytes - 1));
  return Math.ceil(bytes / step) * step;
}

export interface Range {
  address: number;
  size: number;
}

export class FreeList {
  /** Free bytes in blocks and ranges. */
  bytes = 0;
  private readonly blocks = new Map<number, number[]>();
  /** Joined neighbours, from `join`. */
  private ranges: Range[] = [];
  /** Where the last block was cut: the next one comes from there too, so that what is used together lies together. */
  private current = 0;

  /** Gives back a block of a class size. */
  add(address: number, size: number): void {
    const stack = this.blocks.get(size);
    if (stack === undefined) this.blocks.set(size, [address]);
    else stack.push(address);
    this.bytes += size;
  }

  /** A block of a class size: one that was given back, else one cut from a range; 0 if there is none. */
  take(size: number): number {
    const stack = this.blocks.get(size);
    if (stack !== undefined && stack.length > 0) {
      this.bytes -= size;
      return stack.pop() as number;
    }
    const { ranges } = this;
    for (let tried = 0; tried < ranges.length; tried++) {
      const range = ranges[this.current];
      if (range.size >= size) {
        const { address } = range;
        range.address += size;
        range.size -= size;
        this.bytes -= size;
        return address;
      }
      this.current = (this.current + 1) % ranges.length;
    }
    return 0;
  }

  /** Joins neighbouring free memory into ranges. A range that ends at `top` is given back to the caller as a lower top. */
  join(top: number): number {
    const all = this.ranges.filter((range) => range.size > 0);
    for (const [size, stack] of this.blocks) for (const address of stack) all.push({ address, size });
    all.sort((a, b) => a.address - b.address);
    const joined: Range[] = [];
    for (const range of all) {
      const last = joined[joined.length - 1];
      if (last !== undefined && last.address + last.size === range.address) last.size += range.size;
      else joined.push(range);
    }
    this.blocks.clear();
    const last = joined[joined.length - 1];
    if (last !== undefined && last.address + last.size === top) {
      top = last.address;
      joined.pop();
    }
    this.ranges = joined;
    this.current = 0;
    this.bytes = joined.reduce((sum, range) => sum + range.size, 0);
    return top;
  }

  /** After `join`: takes out all ranges, in order of address. */
  takeRanges(): Range[] {
    const { ranges } = this;
    this.ranges = [];
    this.bytes = 0;
    return ranges;
  }

  /** Puts ranges into a list that is empty. */
  setRanges(ranges: Range[]): void {
    this.ranges = ranges;
    this.current = 0;
    this.bytes = ranges.reduce((sum, range) => sum + range.size, 0);
  }
}
