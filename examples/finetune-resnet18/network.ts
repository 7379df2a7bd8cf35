/** The pretrained network, how well it does, and how long its steps take. */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import * as torch from "kindling";
import * as nn from "kindling/nn";
import * as F from "kindling/nn/functional";
import * as optim from "kindling/optim";
import { DataLoader } from "kindling/utils/data";
import { type ResNet, resnet18 } from "kindling/vision/models";
import type { Pictures } from "./pictures.ts";

/** A ResNet-18 from a checkpoint that torchvision wrote, packed by gzip or not. */
export async function loadPretrained(file: string): Promise<ResNet> {
  const bytes = await readFile(file);
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const state = await torch.load<Record<string, torch.Tensor>>(packed ? gunzipSync(bytes) : bytes);
  const model = resnet18({ num_classes: state["fc.weight"].size(0) });
  model.load_state_dict(state);
  return model;
}

export interface Evaluation {
  /** Part of the answers that are right. */
  accuracy: number;
  predictions: number[];
  /** How sure the network is of each, from 0 to 1. */
  certainty: number[];
  targets: number[];
}

/** How well a network in evaluation mode does. */
export async function evaluate(model: ResNet, pictures: Pictures["test"]): Promise<Evaluation> {
  const predictions: number[] = [];
  const certainty: number[] = [];
  const targets: number[] = [];
  for await (const [images, labels] of new DataLoader(pictures, { batch_size: 100 })) {
    torch.no_grad(() => {
      const [best, guesses] = F.softmax(model(images), 1).max(1);
      predictions.push(...(guesses.tolist() as number[]));
      certainty.push(...(best.tolist() as number[]));
      targets.push(...(labels.tolist() as number[]));
    });
  }
  const right = predictions.filter((p, i) => p === targets[i]).length;
  return { accuracy: right / targets.length, predictions, certainty, targets };
}

/** Milliseconds of a training step, the median of a few, with the trunk frozen or not. The model itself stays as it is. */
export function stepTime(model: ResNet, batch: readonly [torch.Tensor, torch.Tensor], frozen: boolean): number {
  const copy = resnet18({ num_classes: (model.fc as nn.Linear).out_features });
  copy.load_state_dict(model.state_dict());
  copy.train(!frozen);
  for (const [name, parameter] of copy.named_parameters()) parameter.requires_grad = !frozen || name.startsWith("fc.");
  const learning = [...copy.parameters()].filter((p) => p.requires_grad);
  const optimizer = new optim.SGD(learning, { lr: 0.01, momentum: 0.9 });
  const times = Array.from({ length: 6 }, () => {
    const start = performance.now();
    optimizer.zero_grad();
    new nn.CrossEntropyLoss()(copy(batch[0]), batch[1]).backward();
    optimizer.step();
    return performance.now() - start;
  });
  // The first step compiles kernels.
  return times.slice(1).sort((a, b) => a - b)[2];
}
