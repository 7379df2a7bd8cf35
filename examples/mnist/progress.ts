/** A progress bar: on a terminal one line that is drawn again and again, elsewhere a line now and then. */

export interface Status {
  loss: number;
  /** Part of the answers that are right, from 0 to 1. */
  accuracy: number;
  /** Images a second. */
  speed: number;
}

export class Progress {
  private readonly label: string;
  private readonly total: number;
  private readonly stream: NodeJS.WriteStream;
  private readonly started = performance.now();
  private drawn = Number.NEGATIVE_INFINITY;

  constructor(label: string, total: number, stream: NodeJS.WriteStream = process.stdout) {
    this.label = label;
    this.total = total;
    this.stream = stream;
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** Shows that `done` of the total are done, unless it was shown a moment ago. */
  update(done: number, status: Status): void {
    const now = performance.now();
    if (now - this.drawn < (this.stream.isTTY ? 100 : 5000)) return;
    this.drawn = now;
    this.draw(done, status, secondsLeft(this.seconds, done, this.total));
  }

  /** Shows the end. */
  finish(status: Status): void {
    this.draw(this.total, status, `${this.seconds.toFixed(1)} s`);
    if (this.stream.isTTY) this.stream.write("\n");
  }

  private draw(done: number, { loss, accuracy, speed }: Status, time: string): void {
    const part = done / this.total;
    const numbers = `loss ${loss.toFixed(4)}  accuracy ${(100 * accuracy).toFixed(2)} %  ${Math.round(speed).toLocaleString("en")} images/s  ${time}`;
    if (!this.stream.isTTY) {
      this.stream.write(`${this.label}  ${`${Math.round(100 * part)}`.padStart(3)} %  ${numbers}\n`);
      return;
    }
    const width = Math.max(10, Math.min(40, (this.stream.columns ?? 80) - this.label.length - numbers.length - 8));
    const full = Math.round(part * width);
    this.stream.write(`\r\x1b[K${this.label} ${"█".repeat(full)}${"░".repeat(width - full)}  ${numbers}`);
  }
}

function secondsLeft(seconds: number, done: number, total: number): string {
  const left = Math.ceil((seconds / done) * (total - done));
  return left < 60 ? `${left} s left` : `${Math.floor(left / 60)} min ${left % 60} s left`;
}
