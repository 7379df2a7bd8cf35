/** The networks of the training rows, and their training step. `rows/training.ts` has the same in Python. */
import * as torch from "../../src/index.ts";
import * as F from "../../src/nn/functional.ts";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";

type T = torch.Tensor;

export interface Training {
  readonly net: nn.Module & ((input: T) => T);
  readonly optimizer: { zero_grad(): void; step(): unknown };
  readonly criterion: (output: T, target: T) => T;
}

export function trainingStep({ net, optimizer, criterion }: Training, input: T, target: T): () => T {
  return () => {
    optimizer.zero_grad();
    const loss = criterion(net(input), target);
    loss.backward();
    optimizer.step();
    return loss;
  };
}

/** The convolutional network of PyTorch's 60-minute introduction, for one channel. */
class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(1, 6, 5);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(16 * 5 * 5, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);

  override forward(x: T): T {
    x = F.max_pool2d(torch.relu(this.conv1(x)), 2);
    x = F.max_pool2d(torch.relu(this.conv2(x)), 2);
    x = torch.flatten(x, 1);
    x = torch.relu(this.fc1(x));
    x = torch.relu(this.fc2(x));
    return this.fc3(x);
  }
}

export function makeLeNet(): Training {
  const net = new LeNet();
  const optimizer = new optim.SGD(net.parameters(), { lr: 1e-3, momentum: 0.9 });
  return { net, optimizer, criterion: new nn.CrossEntropyLoss() };
}

export function makeMlp(): Training {
  const net = new nn.Sequential(
    new nn.Linear(784, 512),
    new nn.ReLU(),
    new nn.Linear(512, 512),
    new nn.ReLU(),
    new nn.Linear(512, 10),
  );
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 });
  return { net, optimizer, criterion: new nn.CrossEntropyLoss() };
}

/** A block of GPT-2: attention and a perceptron, each after a norm and beside a residual connection. */
class Block extends nn.Module {
  norm1;
  attention;
  projection;
  norm2;
  mlp;
  readonly heads: number;

  constructor(width: number, heads: number) {
    super();
    this.norm1 = new nn.LayerNorm(width);
    this.attention = new nn.Linear(width, 3 * width);
    this.projection = new nn.Linear(width, width);
    this.norm2 = new nn.LayerNorm(width);
    this.mlp = new nn.Sequential(new nn.Linear(width, 4 * width), new nn.GELU(), new nn.Linear(4 * width, width));
    this.heads = heads;
  }

  override forward(x: T): T {
    const [batch, length, width] = x.shape;
    const heads = (t: T) => t.view(batch, length, this.heads, width / this.heads).transpose(1, 2);
    const [q, k, v] = this.attention(this.norm1(x)).split(width, 2).map(heads);
    const attended = F.scaled_dot_product_attention(q, k, v, { is_causal: true });
    x = x.add(this.projection(attended.transpose(1, 2).reshape(batch, length, width)));
    return x.add(this.mlp(this.norm2(x)));
  }
}

class Gpt extends nn.Module {
  tokens;
  positions;
  blocks;
  norm;
  head;

  constructor(vocabulary: number, context: number, layers: number, width: number, heads: number) {
    super();
    this.tokens = new nn.Embedding(vocabulary, width);
    this.positions = new nn.Embedding(context, width);
    this.blocks = new nn.Sequential(...Array.from({ length: layers }, () => new Block(width, heads)));
    this.norm = new nn.LayerNorm(width);
    this.head = new nn.Linear(width, vocabulary, { bias: false });
  }

  override forward(tokens: T): T {
    const positions = torch.arange(tokens.shape[1]);
    const x = this.tokens(tokens).add(this.positions(positions));
    return this.head(this.norm(this.blocks(x)));
  }
}

export function makeGpt(vocabulary: number, context: number): Training {
  const net = new Gpt(vocabulary, context, 4, 128, 4);
  const optimizer = new optim.AdamW(net.parameters(), { lr: 1e-3 });
  return { net, optimizer, criterion: (logits, target) => F.cross_entropy(logits.flatten(0, 1), target.flatten()) };
}

export async function makeResNet18(): Promise<Training> {
  const { resnet18 } = await import("../../src/vision/models/index.ts");
  const net = resnet18();
  const optimizer = new optim.SGD(net.parameters(), { lr: 1e-3, momentum: 0.9 });
  return { net, optimizer, criterion: new nn.CrossEntropyLoss() };
}
