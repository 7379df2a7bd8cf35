/** How well a network knows digits. */
import * as torch from "kindling";
import * as F from "kindling/nn/functional";
import { DataLoader } from "kindling/utils/data";
import type { MNIST } from "kindling/vision/datasets";
import type { Net } from "./network.ts";

export interface Evaluation {
  /** Part of the answers that are right. */
  accuracy: number;
  /** Mean loss. */
  loss: number;
  /** The digit that the network sees in each picture, and how sure it is of it, from 0 to 1. */
  predictions: number[];
  certainty: number[];
}

export async function evaluate(net: Net, digits: MNIST<torch.Tensor>): Promise<Evaluation> {
  const was = net.training;
  net.eval();
  const predictions: number[] = [];
  const certainty: number[] = [];
  let right = 0;
  let loss = 0;
  for await (const [images, labels] of new DataLoader(digits, { batch_size: 500 })) {
    torch.no_grad(() => {
      const scores = net(images);
      loss += F.cross_entropy(scores, labels, { reduction: "sum" }).item() as number;
      const [best, guesses] = F.softmax(scores, 1).max(1);
      right += guesses.eq(labels).sum().item() as number;
      predictions.push(...(guesses.tolist() as number[]));
      certainty.push(...(best.tolist() as number[]));
    });
  }
  net.train(was);
  return { accuracy: right / digits.length, loss: loss / digits.length, predictions, certainty };
}
