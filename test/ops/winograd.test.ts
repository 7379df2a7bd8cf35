/** Convolutions by Winograd's algorithm and as plain sums, against float64, which is summed plainly. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ValueError } from "../../src/errors.ts";
import * as torch from "../../src/index.ts";
import * as F from "../../src/nn/functional.ts";
import { type WinogradMode, winogradTile } from "../../src/ops/winograd.ts";

const geometry = { stride: [1, 1], dilation: [1, 1], groups: 1 };
const { kindling } = torch.backends;

/** Root mean square of the difference, relative to that of the values. */
function error(x: torch.Tensor, reference: torch.Tensor): number {
  const size = (t: torch.Tensor): number => Number(t.square().mean().item());
  return Math.sqrt(size(x.double().sub(reference)) / size(reference));
}

// Even and odd sizes, several parts of an image, several images in a part, all paddings.
const cases = [
  { samples: 2, channels: 32, outputs: 100, rows: 16, columns: 16, padding: 1 },
  { samples: 1, channels: 97, outputs: 33, rows: 31, columns: 37, padding: 1 },
  { samples: 13, channels: 128, outputs: 25, rows: 8, columns: 11, padding: 0 },
  { samples: 3, channels: 50, outputs: 96, rows: 14, columns: 9, padding: 2 },
  { samples: 300, channels: 24, outputs: 27, rows: 1, columns: 1, padding: 1 },
  { samples: 60, channels: 31, outputs: 24, rows: 2, columns: 1, padding: 2 },
  { samples: 1, channels: 24, outputs: 24, rows: 3, columns: 201, padding: 1 },
];
const bounds: [WinogradMode, number][] = [
  ["off", 5e-7],
  ["f2", 5e-7],
  ["f4", 5e-6],
];

for (const { samples, channels, outputs, rows, columns, padding } of cases) {
  for (const [mode, bound] of bounds) {
    test(`${mode}: ${samples} × ${channels} × ${rows} × ${columns} to ${outputs} channels, padding ${padding}`, () => {
      torch.manual_seed(1);
      // Not contiguous, as a view of a larger tensor.
      const x = torch
        .randn(samples, channels, rows, columns + 3)
        .narrow(3, 1, columns)
        .requires_grad_();
      const w = torch.randn(outputs, channels, 3, 3, { requires_grad: true });
      const bias = torch.randn(outputs);
      const [x64, w64] = [x, w].map((t) => t.detach().double().requires_grad_()) as [torch.Tensor, torch.Tensor];
      const y64 = F.conv2d(x64, w64, bias.double(), { padding });
      const g = torch.randn(y64.shape);
      y64.backward(g.double());
      const y = kindling.flags({ winograd: mode }, () => {
        const tile = winogradTile(w, geometry, [padding, padding], samples, y64.shape.slice(2));
        // One output of a tile is no gain.
        assert.equal(tile === null, mode === "off" || (columns === 1 && padding === 1), "which algorithm");
        const y = F.conv2d(x, w, bias, { padding });
        y.backward(g);
        return y;
      });
      assert.ok(error(y, y64) < bound, `output ${error(y, y64)}`);
      assert.ok(error(x.grad as torch.Tensor, x64.grad as torch.Tensor) < bound, "input gradient");
      assert.ok(error(w.grad as torch.Tensor, w64.grad as torch.Tensor) < bound, "weight gradient");
    });
  }
}

test("F(2, 3): an infinity reaches the outputs whose windows contain it, and padding makes no NaN", () => {
  for (const at of [10, 11]) {
    const x = torch.zeros(1, 24, 20, 20);
    x.index_put_([0, 3, at, at], Number.POSITIVE_INFINITY);
    const y = F.conv2d(x, torch.ones(24, 24, 3, 3), null, { padding: 1 });
    const wrong = y.isfinite().logical_not();
    assert.equal(Number(wrong.sum().item()), 24 * 9);
    assert.equal(
      Number(
        wrong
          .narrow(2, at - 1, 3)
          .narrow(3, at - 1, 3)
          .sum()
          .item(),
      ),
      24 * 9,
    );
  }
});

test("torch.backends.kindling.winograd", () => {
  assert.equal(kindling.winograd, "f2");
  assert.throws(
    () => {
      kindling.winograd = "f6" as WinogradMode;
    },
    (e) => e instanceof ValueError && /one of "f2", "f4", "off", got "f6"/.test(e.message),
  );
  assert.throws(() => kindling.flags({ winograd: "f4" }, () => assert.fail("thrown")), /thrown/);
  assert.throws(() => kindling.flags({ winogard: "f4" } as object, () => 0), ValueError);
  assert.equal(kindling.winograd, "f2");
  kindling.winograd = "off";
  assert.equal(kindling.winograd, "off");
  kindling.winograd = "f2";
});
