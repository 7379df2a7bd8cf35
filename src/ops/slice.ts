/** Python's `start:end:step` for `x.index([...])`. */
export class Slice {
  readonly start: number | null;
  readonly end: number | null;
  readonly step: number | null;
  /** `new Slice()` takes everything, `new Slice(1, 3)` is `1:3`, `new Slice(null, null, 2)` is `::2`. */
  constructor(start: number | null = null, end: number | null = null, step: number | null = null) {
    this.start = start;
    this.end = end;
    this.step = step;
  }
  toString(): string {
    return `${this.start ?? ""}:${this.end ?? ""}${this.step === null ? "" : `:${this.step}`}`;
  }
}
