/** Python's text as bytes: UTF-8 in which lone surrogates, which a JavaScript string may hold too, keep their codes. */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Decodes UTF-8 with `surrogatepass`; null for bytes that are no text. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  if (bytes.length <= 24) {
    // Keys are short and ASCII: a loop beats the decoder.
    let text = "";
    let i = 0;
    for (; i < bytes.length && bytes[i] < 128; i++) text += String.fromCharCode(bytes[i]);
    if (i === bytes.length) return text;
  }
  try {
    return strict.decode(bytes);
  } catch {
    return decodeWithSurrogates(bytes);
  }
}

/** Lone surrogates are the sequences ED A0..BF 80..BF; everything between them must be proper UTF-8. */
function decodeWithSurrogates(bytes: Uint8Array): string | null {
  const parts: string[] = [];
  let start = 0;
  try {
    for (let i = 0; i + 2 < bytes.length; i++) {
      if (bytes[i] !== 0xed || bytes[i + 1] < 0xa0 || bytes[i + 1] > 0xbf || (bytes[i + 2] & 0xc0) !== 0x80) continue;
      parts.push(strict.decode(bytes.subarray(start, i)));
      parts.push(String.fromCharCode(0xd000 | ((bytes[i + 1] & 0x3f) << 6) | (bytes[i + 2] & 0x3f)));
      start = i + 3;
      i += 2;
    }
    if (start === 0) return null;
    parts.push(strict.decode(bytes.subarray(start)));
  } catch {
    return null;
  }
  return parts.join("");
}

const loneSurrogate = /\p{Surrogate}/u;

/** Encodes text as UTF-8 with `surrogatepass`. */
export function encodeUtf8(text: string): Uint8Array {
  if (!loneSurrogate.test(text)) return encoder.encode(text);
  const out: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (code >= 0xd800 && code <= 0xdfff) out.push(0xed, 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    else out.push(...encoder.encode(character));
  }
  return new Uint8Array(out);
}

/** One character per byte: Python's `latin1`. */
export function decodeLatin1(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return text;
}

/** The bytes of text whose characters are all below 256; null for other text. */
export function encodeLatin1(text: string): Uint8Array | null {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) return null;
    out[i] = code;
  }
  return out;
}
