/** A progress bar of a download, on stderr. */

const UNITS = ["B", "kB", "MB", "GB", "TB"];
const WIDTH = 30;
/** Between two drawings, in milliseconds. */
const INTERVAL = 100;

/** `45.3 MB`. */
export function bytesText(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${UNITS[power]}`;
}

/** `1:05`. */
function timeText(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${`${Math.floor(seconds % 60)}`.padStart(2, "0")}`;
}

/** ` 42% ████████░░░░  18.9 MB of 44.7 MB  12.3 MB/s  0:02 left`. `speed` is in bytes a second. */
export function progressText(received: number, total: number | null, speed: number): string {
  const rate = `${bytesText(Math.round(speed))}/s`;
  if (total === null || total <= 0) return `${bytesText(received)}  ${rate}`;
  const part = Math.min(1, received / total);
  const full = Math.round(part * WIDTH);
  const left = part < 1 && speed > 0 ? `  ${timeText((total - received) / speed)} left` : "";
  const percent = `${Math.floor(100 * part)}`.padStart(3);
  return `${percent}% ${"█".repeat(full)}${"░".repeat(WIDTH - full)}  ${bytesText(received)} of ${bytesText(total)}  ${rate}${left}`;
}

/** Where the bar is drawn. */
export interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Draws on a terminal; elsewhere, such as in a log, it writes one line at the end. */
export class ProgressBar {
  private readonly screen: Screen;
  private readonly started = performance.now();
  private drawn = Number.NEGATIVE_INFINITY;
  private first: number | null = null;
  private last: { received: number; total: number | null } | null = null;

  constructor(screen: Screen = process.stderr) {
    this.screen = screen;
  }

  update(received: number, total: number | null): void {
    // What an earlier download left says nothing about the speed.
    this.first ??= received;
    this.last = { received, total };
    const now = performance.now();
    if (!this.screen.isTTY || now - this.drawn < INTERVAL) return;
    this.drawn = now;
    this.screen.write(`\r\x1b[K${this.text()}`);
  }

  stop(): void {
    if (this.last === null) return;
    this.screen.write(`${this.screen.isTTY ? "\r\x1b[K" : ""}${this.text()}\n`);
    this.last = null;
  }

  private text(): string {
    const { received, total } = this.last as { received: number; total: number | null };
    const seconds = Math.max(1e-3, (performance.now() - this.started) / 1000);
    return progressText(received, total, (received - (this.first ?? 0)) / seconds);
  }
}
