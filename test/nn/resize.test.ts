/** F.interpolate on bytes is PyTorch's to the bit (tools/golden-resize.py). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import type { InterpolateOptions } from "../../src/nn/functional/interpolate.ts";
import * as F from "../../src/nn/functional.ts";

interface Case {
  readonly shape: number[];
  readonly options: InterpolateOptions;
  readonly out: number[];
  readonly sha256: string;
}

const cases = JSON.parse(readFileSync(new URL("golden-resize.json", import.meta.url), "utf8")) as Case[];

test("resized bytes", () => {
  for (const { shape, options, out, sha256 } of cases) {
    const count = shape.reduce((n, s) => n * s, 1);
    const bytes = Uint8Array.from({ length: count }, (_, i) => (i * 7919) % 251);
    const result = F.interpolate(torch.tensor(bytes).reshape(shape), options);
    const text = `${shape} ${JSON.stringify(options)}`;
    assert.deepEqual(result.shape, out, text);
    const digest = createHash("sha256").update(result.contiguous().typed_array()).digest("hex");
    assert.equal(digest, sha256, text);
  }
});

test("a channels-last image gives the same as a contiguous one", () => {
  const x = torch
    .arange(2 * 9 * 8 * 3)
    .remainder(251)
    .to(torch.uint8)
    .reshape(2, 9, 8, 3)
    .permute(0, 3, 1, 2);
  for (const mode of ["nearest", "bilinear", "bicubic"] as const) {
    const options = { size: [5, 11], mode };
    assert.ok(torch.equal(F.interpolate(x, options), F.interpolate(x.contiguous(), options)), mode);
  }
});
