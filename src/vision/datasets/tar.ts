/** The files in a tar archive. Source: POSIX.1-1988, "ustar" */
import { RuntimeError } from "../../errors.ts";

/** Names and contents of the ordinary files; the contents are views of the archive. */
export function readTar(archive: Uint8Array, name: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (let at = 0; at + 512 <= archive.length; ) {
    const header = archive.subarray(at, at + 512);
    if (header.every((b) => b === 0)) break;
    const size = octal(header, 124, 12);
    // The sum of the header's bytes, with blanks in place of the sum itself.
    const sum = header.reduce((a, b, i) => a + (i >= 148 && i < 156 ? 32 : b), 0);
    if (sum !== octal(header, 148, 8) || !(at + 512 + size <= archive.length)) {
      throw new RuntimeError(`${name}: the archive is damaged or incomplete`);
    }
    const kind = header[156];
    if (kind === 0 || kind === 0x30) {
      const prefix = text(header, 257, 5) === "ustar" ? text(header, 345, 155) : "";
      files.set(prefix + (prefix && "/") + text(header, 0, 100), archive.subarray(at + 512, at + 512 + size));
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

function text(header: Uint8Array, start: number, length: number): string {
  const bytes = header.subarray(start, start + length);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function octal(header: Uint8Array, start: number, length: number): number {
  const digits = text(header, start, length).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}
