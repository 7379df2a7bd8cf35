/** Depthwise convolutions that are computed in several parts, against a float64 sum over shifted images. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import * as F from "../../src/nn/functional.ts";

/** y[…, i, j] = Σ w[a, b] · x[…, i · stride + a − padding, j · stride + b − padding], in float64. */
function reference(x: torch.Tensor, w: torch.Tensor, stride: number, padding: number): torch.Tensor {
  const whole = F.pad(x, [padding, padding, padding, padding]);
  const [rows, columns] = [2, 3].map((d) => Math.floor((whole.shape[d] - w.shape[d]) / stride) + 1) as [number, number];
  let sum: torch.Tensor | null = null;
  for (let a = 0; a < w.shape[2]; a++) {
    for (let b = 0; b < w.shape[3]; b++) {
      const shifted = whole.index([
        "...",
        new torch.Slice(a, a + (rows - 1) * stride + 1, stride),
        new torch.Slice(b, b + (columns - 1) * stride + 1, stride),
      ]);
      const term = shifted.mul(w.select(3, b).select(2, a).view(-1, 1, 1));
      sum = sum === null ? term : sum.add(term);
    }
  }
  return sum as torch.Tensor;
}

const cases = [
  { samples: 7, channels: 32, rows: 40, columns: 45, kernel: 3, stride: 1, padding: 1 },
  { samples: 5, channels: 33, rows: 61, columns: 39, kernel: 3, stride: 2, padding: 1 },
  { samples: 9, channels: 30, rows: 37, columns: 36, kernel: 5, stride: 1, padding: 0 },
  { samples: 1, channels: 71, rows: 90, columns: 70, kernel: 1, stride: 1, padding: 0 },
];
for (const { samples, channels, rows, columns, kernel, stride, padding } of cases) {
  test(`${samples} × ${channels} × ${rows} × ${columns}, ${kernel} × ${kernel}, stride ${stride}`, () => {
    torch.manual_seed(2);
    const x = torch.randn(samples, channels, rows, columns, { requires_grad: true });
    const w = torch.randn(channels, 1, kernel, kernel, { requires_grad: true });
    const y = F.conv2d(x, w, null, { stride, padding, groups: channels });
    const [x64, w64] = [x, w].map((t) => t.detach().double().requires_grad_()) as [torch.Tensor, torch.Tensor];
    const y64 = reference(x64, w64, stride, padding);
    const g = torch.randn(y.shape);
    y.backward(g);
    y64.backward(g.double());
    for (const [a, b] of [
      [y, y64],
      [x.grad, x64.grad],
      [w.grad, w64.grad],
    ] as [torch.Tensor, torch.Tensor][]) {
      const error = Math.sqrt(Number(a.double().sub(b).square().mean().div(b.square().mean()).item()));
      assert.ok(error < 5e-7, `relative error ${error}`);
    }
  });
}
