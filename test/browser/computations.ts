/** What the page and Node both compute, so that the results can be compared: numbers and texts that survive JSON. */
import type * as torchNamespace from "../../src/index.ts";
import type * as visionNamespace from "../../src/vision/index.ts";

export type Torch = typeof torchNamespace;
export type Vision = typeof visionNamespace;

/** Losses of a small convolutional network with batches from a DataLoader. */
export async function trainLeNet(torch: Torch): Promise<number[]> {
  const { nn } = torch;
  torch.manual_seed(0);
  const net = new nn.Sequential(
    new nn.Conv2d(1, 6, 5, { padding: 2 }),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(6, 16, 5),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(16 * 5 * 5, 32),
    new nn.ReLU(),
    new nn.Linear(32, 10),
  );
  const { DataLoader, TensorDataset } = torch.utils.data;
  const data = new TensorDataset(torch.rand(16, 1, 28, 28), torch.randint(10, [16]));
  const optimizer = new torch.optim.Adam(net.parameters(), { lr: 0.01 });
  const criterion = new nn.CrossEntropyLoss();
  const losses: number[] = [];
  for (let epoch = 0; epoch < 3; epoch++) {
    for await (const [images, targets] of new DataLoader(data, { batch_size: 8, shuffle: true })) {
      optimizer.zero_grad();
      const loss = criterion(net(images), targets);
      loss.backward();
      optimizer.step();
      losses.push(loss.item() as number);
    }
  }
  return losses;
}

/** Logits of a ResNet-18 that is made from a seed. */
export function resnetLogits(torch: Torch, vision: Vision): number[] {
  torch.manual_seed(0);
  const net = vision.models.resnet18({ num_classes: 10 }).eval();
  const images = torch.randn(2, 3, 64, 64);
  return torch.no_grad(() => net(images).flatten().tolist() as number[]);
}

/** Values of a picture after the transforms of evaluation and of training. */
export function transformedPicture(torch: Torch, vision: Vision): number[] {
  const { Image, transforms: T } = vision;
  torch.manual_seed(0);
  const pixels = Uint8Array.from({ length: 40 * 30 * 3 }, (_, i) => (i * i + 7 * i) % 256);
  const picture = new Image("RGB", [40, 30], pixels);
  const normalize = new T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
  const evaluation = new T.Compose([new T.Resize(24), new T.CenterCrop(16), new T.ToTensor(), normalize]);
  const training = new T.Compose([
    new T.RandomResizedCrop(16),
    new T.RandomHorizontalFlip(),
    new T.ColorJitter({ brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 }),
    new T.ToTensor(),
    normalize,
  ]);
  return [evaluation, training].flatMap((transform) => transform(picture).flatten().tolist() as number[]);
}

/** All of a loaded value as text: dtypes, shapes and values of tensors, keys and texts of the rest. */
export function describeValue(torch: Torch, value: unknown): unknown {
  if (torch.is_tensor(value)) return `${value.dtype} [${value.shape}] ${value}`;
  if (Array.isArray(value)) return value.map((item) => describeValue(torch, item));
  if (value instanceof Map || value instanceof Set) {
    return [value.constructor.name, ...Array.from(value as Iterable<unknown>, (item) => describeValue(torch, item))];
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).map(([key, item]) => [key, describeValue(torch, item)]);
  }
  return String(value);
}
