/** Writing tensors as pictures. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { read_image } from "../../src/vision/io/index.ts";
import { make_grid, save_image } from "../../src/vision/utils.ts";

test("save_image", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kindling-utils-"));
  const path = join(folder, "grid.png");
  torch.manual_seed(0);
  const images = torch.rand(5, 3, 4, 6).mul_(1.2).sub_(0.1);
  await save_image(images, path, { nrow: 3, padding: 1, pad_value: 0.5 });
  const got = await read_image(path);
  assert.deepEqual(got.shape, [3, 11, 22]);
  const grid = make_grid(images, { nrow: 3, padding: 1, pad_value: 0.5 });
  assert.deepEqual(got.tolist(), grid.mul(255).round().clamp(0, 255).to(torch.uint8).tolist());
  assert.equal(got.select(0, 0).select(0, 0).select(0, 0).item(), 128);
  await save_image(images.select(0, 0).narrow(0, 0, 1), join(folder, "one.jpg"));
  assert.deepEqual((await read_image(join(folder, "one.jpg"))).shape, [3, 4, 6]);
  await save_image(torch.rand(4, 2, 2), join(folder, "alpha"), "png");
  assert.deepEqual((await read_image(join(folder, "alpha"))).shape, [4, 2, 2]);
  await assert.rejects(save_image(images, join(folder, "a.xyz")), {
    name: "ValueError",
    message: /unknown file extension/,
  });
  await assert.rejects(save_image(images, path, { nrows: 3 } as never), /did you mean 'nrow'/);
  await rm(folder, { recursive: true });
});
