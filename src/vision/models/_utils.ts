/** `torchvision.models._utils`, which other libraries use in spite of its name. */
import { ValueError } from "../../errors.ts";
import * as nn from "../../nn/index.ts";
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor.ts";
import type { Layer } from "../ops/layer-maker.ts";

export { _make_divisible } from "./utils.ts";

/**
 * The layers of a model up to those in `return_layers`, whose outputs it gives under new names:
 * `new IntermediateLayerGetter(resnet18(), { layer1: "feat1", layer3: "feat2" })(x).feat1`. Only direct children of the model
 * can be named, and they must have been assigned in the order in which the model uses them, each once.
 */
export class IntermediateLayerGetter<K extends string = string> extends nn.ModuleDict<Layer> {
  return_layers: Readonly<Record<string, K>>;

  constructor(model: Module, return_layers: Readonly<Record<string, K>>) {
    const children = [...model.named_children()];
    const missing = new Set(Object.keys(return_layers));
    const layers: [string, Layer][] = [];
    for (const [name, layer] of children) {
      if (missing.size === 0) break;
      layers.push([name, layer as Layer]);
      missing.delete(name);
    }
    if (missing.size > 0) throw new ValueError("return_layers are not present in model");
    super(layers);
    this.return_layers = { ...return_layers };
  }

  override forward(x: Tensor): Record<K, Tensor> {
    const out: Partial<Record<K, Tensor>> = {};
    for (const [name, layer] of this.items()) {
      x = layer(x);
      if (Object.hasOwn(this.return_layers, name)) out[this.return_layers[name]] = x;
    }
    return out as Record<K, Tensor>;
  }
}
