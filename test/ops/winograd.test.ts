/** Convolutions that are large enough for Winograd's algorithm, against float64, which is summed plainly. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import * as F from "../../src/nn/functional.ts";
import { isWinograd, winogradPays } from "../../src/ops/winograd.ts";

const geometry = { stride: [1, 1], dilation: [1, 1], groups: 1 };

/** The largest difference, relative to the largest value. */
function error(x: torch.Tensor, reference: torch.Tensor): number {
  return Number(x.double().sub(reference).abs().max().item()) / Number(reference.abs().max().item());
}

// Even and odd sizes, several parts of an image, several images in a part, all paddings.
const cases = [
  { samples: 2, channels: 96, outputs: 100, rows: 16, columns: 16, padding: 1 },
  { samples: 1, channels: 96, outputs: 97, rows: 31, columns: 37, padding: 1 },
  { samples: 13, channels: 128, outputs: 96, rows: 8, columns: 11, padding: 0 },
  { samples: 3, channels: 100, outputs: 96, rows: 14, columns: 9, padding: 2 },
];

for (const { samples, channels, outputs, rows, columns, padding } of cases) {
  test(`${samples} × ${channels} × ${rows} × ${columns} to ${outputs} channels, padding ${padding}`, () => {
    torch.manual_seed(1);
    // Not contiguous, as a view of a larger tensor.
    const x = torch
      .randn(samples, channels, rows, columns + 3)
      .narrow(3, 1, columns)
      .requires_grad_();
    const w = torch.randn(outputs, channels, 3, 3, { requires_grad: true });
    const bias = torch.randn(outputs);
    const y = F.conv2d(x, w, bias, { padding });
    assert.ok(isWinograd(w, geometry) && winogradPays(samples, y.shape.slice(2)), "the case is too small");
    const [x64, w64] = [x, w].map((t) => t.detach().double().requires_grad_()) as [torch.Tensor, torch.Tensor];
    const y64 = F.conv2d(x64, w64, bias.double(), { padding });
    const g = torch.randn(y.shape);
    y.backward(g);
    y64.backward(g.double());
    assert.ok(error(y, y64) < 2e-6, `output ${error(y, y64)}`);
    assert.ok(error(x.grad as torch.Tensor, x64.grad as torch.Tensor) < 2e-6, "input gradient");
    assert.ok(error(w.grad as torch.Tensor, w64.grad as torch.Tensor) < 2e-6, "weight gradient");
  });
}
