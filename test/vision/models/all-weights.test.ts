/** What every model's weights say about themselves, against torchvision (tools/golden-weights.py). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as models from "../../../src/vision/models/index.ts";
import type { WeightsEnum } from "../../../src/vision/models/weights.ts";

interface Described {
  readonly class: string;
  readonly members: Record<string, unknown>;
  readonly DEFAULT: string;
}

const golden = JSON.parse(readFileSync(new URL("../../golden/weights.json", import.meta.url), "utf8")) as Record<
  string,
  Described
>;

function describe(member: WeightsEnum): unknown {
  const { categories, _docs, ...meta } = member.meta;
  const preset = member.transforms();
  const digest = (names: readonly string[]): string => createHash("sha256").update(names.join("\n")).digest("hex");
  return {
    url: member.url,
    transforms: [
      preset.crop_size[0],
      preset.resize_size[0],
      preset.mean,
      preset.std,
      preset.interpolation,
      preset.antialias,
    ],
    categories: categories ? digest(categories).slice(0, 16) : null,
    // Through JSON, as the other side: NaN becomes null.
    meta: JSON.parse(JSON.stringify(meta)) as unknown,
  };
}

for (const name of models.list_models()) {
  test(name, () => {
    const weights = models.get_model_weights(name);
    const unique = new Set(weights.members().values());
    const described: Described = {
      class: weights.name,
      members: Object.fromEntries([...unique].map((member) => [member.name, describe(member)])),
      DEFAULT: weights.DEFAULT.name,
    };
    assert.deepEqual(described, golden[name]);
    assert.equal(models.get_weight(String(weights.DEFAULT)), weights.DEFAULT);
  });
}
