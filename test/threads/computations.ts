/** Computations large enough to be divided among threads, and their results as text that differs with every bit. */
import type * as Kindling from "../../src/index.ts";
import type * as Vision from "../../src/vision/index.ts";

type Torch = typeof Kindling;
type Tensor = Kindling.Tensor;

/** A hash of dtype, shape and bytes: FNV-1a with two multipliers. */
export function bitsOf(...tensors: readonly Tensor[]): string {
  let [low, high] = [0x811c9dc5, 0x9747b28c];
  const add = (word: number): void => {
    low = Math.imul(low ^ word, 0x01000193);
    high = Math.imul(high ^ word, 0x5bd1e995) ^ (high >>> 15);
  };
  for (const t of tensors) {
    for (const letter of `${t.dtype} [${t.shape}]`) add(letter.charCodeAt(0));
    const { buffer, byteOffset, byteLength } = t.detach().contiguous().typed_array();
    const words = byteLength >> 2;
    // Tensors begin at multiples of eight bytes.
    for (const word of new Int32Array(buffer, byteOffset, words)) add(word);
    for (const byte of new Uint8Array(buffer, byteOffset + 4 * words, byteLength - 4 * words)) add(byte);
  }
  return `${low >>> 0}-${high >>> 0}`;
}

/** By name, computations on inputs made from a seed; each gives its results, gradients included. */
export function operations(torch: Torch): Readonly<Record<string, () => readonly Tensor[]>> {
  const F = torch.nn.functional;
  torch.manual_seed(0);
  const vector = torch.randn(400_003);
  const matrix = torch.randn(500, 1030);
  const cube = torch.randn(60, 130, 140);
  const [a, b] = [torch.randn(300, 400), torch.randn(400, 500)];
  const images = torch.randn(4, 32, 40, 40);
  const whole = torch.randint(-1000, 1000, [700, 1000]);
  /** The result and the gradients to all inputs. */
  const withGradients = (f: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]) => {
    const leaves = inputs.map((x) => x.detach().clone().requires_grad_());
    const y = f(...leaves);
    torch.manual_seed(1);
    y.backward(torch.randn(y.shape));
    return [y, ...leaves.map((x) => x.grad as Tensor)];
  };
  const weights = (...shape: number[]): Tensor => {
    torch.manual_seed(2);
    return torch.randn(shape).mul(0.1);
  };
  return {
    "maps of a contiguous tensor": () => [
      ...[vector.add(1), vector.mul(vector), vector.exp(), vector.tanh(), F.gelu(vector), vector.sin()],
      ...[vector.to(torch.float16), vector.to(torch.float64), vector.gt(0), vector.div(3).floor()],
      torch.where(vector.gt(0), vector, vector.neg()),
    ],
    "maps of strided and broadcast tensors": () => [
      ...[matrix.t().contiguous(), matrix.add(matrix.select(0, 3)), matrix.t().mul(matrix.select(1, 2))],
      ...[cube.permute(2, 0, 1).contiguous(), cube.slice(2, 1, 137, 3).exp(), cube.flip(0).add(cube)],
    ],
    integers: () => [whole.add(3), whole.mul(whole), whole.sum(), whole.sum(0), whole.amax(1), whole.to(torch.float32)],
    "lgamma, which calls JavaScript": () => [vector.slice(0, 0, 100_000).lgamma()],
    "sums and means": () => [
      ...[vector.sum(), vector.mean(), matrix.sum(0), matrix.sum(1), cube.sum(1), cube.mean([0, 2]), matrix.std()],
      ...[matrix.to(torch.float64).sum(1), vector.norm(), matrix.prod(1), matrix.var(0), cube.logsumexp(2)],
    ],
    "extrema, any, all": () => [
      ...[vector.max(), matrix.argmax(1), matrix.argmin(0), vector.argmax(), matrix.gt(5).any(), matrix.lt(9).all(1)],
      ...[cube.amax(1), cube.amin([0, 1])],
    ],
    softmax: () => [0, 1].flatMap((dim) => withGradients((x) => F.softmax(x, dim), matrix)),
    log_softmax: () => withGradients((x) => F.log_softmax(x, 1), matrix),
    layer_norm: () => withGradients((x, w, c) => F.layer_norm(x, [1030], w, c), matrix, weights(1030), weights(1030)),
    batch_norm: () => {
      const [mean, variance] = [torch.zeros(32), torch.ones(32)];
      const net = (x: Tensor, w: Tensor, c: Tensor) => F.batch_norm(x, mean, variance, w, c, true);
      return [...withGradients(net, images, weights(32), weights(32)), mean, variance];
    },
    "cumulative sums, sort, gather": () => [
      ...[matrix.cumsum(0), matrix.cumsum(1), matrix.sort(1)[0], matrix.gather(1, matrix.argsort(1))],
      ...[cube.cumprod(1), ...cube.cummax(2), ...cube.cummin(0), whole.cumsum(0)],
      ...[0, 1].map((dim) => matrix.scatter_add(dim, matrix.argsort(dim).div(2, { rounding_mode: "floor" }), matrix)),
    ],
    "products of matrices": () => [
      ...[a.matmul(b), a.t().contiguous().t().matmul(b), a.matmul(b.t().contiguous().t()), b.t().matmul(a.t())],
      ...[
        a.to(torch.float64).matmul(b.to(torch.float64)),
        a.matmul(b.select(1, 0)),
        a.to(torch.bfloat16).matmul(b.to(torch.bfloat16)),
      ],
      ...[matrix.matmul(matrix.t()), whole.slice(0, 0, 200).matmul(whole.t().slice(1, 0, 100)), vector.dot(vector)],
      ...[torch.randn(1, 4000, { generator: new torch.Generator().manual_seed(3) }).matmul(weights(4000, 1000))],
    ],
    "batches of matrices": () => {
      const [x, y] = [cube.slice(1, 0, 64), cube.slice(1, 64, 128)];
      return withGradients((p, q) => p.bmm(q.transpose(1, 2)), x, y);
    },
    linear: () => withGradients((x, w, c) => F.relu(F.linear(x, w, c)), matrix, weights(200, 1030), weights(200)),
    "convolution 3 × 3": () => withGradients((x, w) => F.conv2d(x, w, null, 1, 1), images, weights(48, 32, 3, 3)),
    "convolution with many channels": () =>
      withGradients((x, w) => F.conv2d(x, w, null, 1, 1), torch.ones(2, 128, 14, 14).mul(0.5), weights(128, 128, 3, 3)),
    "convolution with stride and bias": () =>
      withGradients((x, w, c) => F.conv2d(x, w, c, 2, 3), images, weights(16, 32, 7, 7), weights(16)),
    "convolution in groups": () =>
      withGradients((x, w) => F.conv2d(x, w, null, 1, 1, 1, 4), images, weights(32, 8, 3, 3)),
    "depthwise convolution": () =>
      withGradients((x, w) => F.conv2d(x, w, null, 1, 1, 1, 32), images, weights(32, 1, 3, 3)),
    "pointwise convolution": () => withGradients((x, w) => F.conv2d(x, w), images, weights(64, 32, 1, 1)),
    "transposed convolution": () =>
      withGradients((x, w) => F.conv_transpose2d(x, w, null, 2), images, weights(32, 16, 3, 3)),
    "convolution in one dimension": () =>
      withGradients((x, w) => F.conv1d(x, w), images.view(4, 32, 1600), weights(24, 32, 5)),
    pooling: () => [
      ...withGradients((x) => F.max_pool2d(x, 2), images),
      ...withGradients((x) => F.max_pool2d(x, 3, 2, 1), images),
      ...withGradients((x) => F.avg_pool2d(x, 3, 1, 1), images),
      ...withGradients((x) => F.adaptive_avg_pool2d(x, 1), images),
    ],
    interpolate: () => withGradients((x) => F.interpolate(x, { scale_factor: 2, mode: "bilinear" }), images),
    attention: () => {
      const [q, k, v] = [0, 1, 2].map((i) => cube.slice(2, 40 * i, 40 * i + 40).contiguous());
      return withGradients((...inputs) => F.scaled_dot_product_attention(inputs[0], inputs[1], inputs[2]), q, k, v);
    },
    "losses and embeddings": () => {
      const targets = whole.select(0, 0).slice(0, 0, 500).abs();
      const indices = whole.slice(0, 0, 4).abs().remainder(500);
      return [
        ...withGradients((x) => F.cross_entropy(x, targets), matrix),
        ...withGradients((x) => F.mse_loss(x, matrix.flip(0)), matrix),
        ...withGradients((w) => F.embedding(indices, w), matrix),
      ];
    },
    "random numbers": () => {
      torch.manual_seed(4);
      return [torch.rand(300_000), torch.randn(300_000), F.dropout(vector, 0.3), torch.randperm(1000)];
    },
  };
}

/** The losses and final weights of a few steps of LeNet. */
export function trainLeNet(torch: Torch, steps = 4): readonly Tensor[] {
  const { nn, optim } = torch;
  torch.manual_seed(0);
  const net = new nn.Sequential(
    ...[new nn.Conv2d(1, 6, 5, { padding: 2 }), new nn.ReLU(), new nn.MaxPool2d(2)],
    ...[new nn.Conv2d(6, 16, 5), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Flatten()],
    ...[new nn.Linear(400, 120), new nn.ReLU(), new nn.Linear(120, 84), new nn.ReLU(), new nn.Linear(84, 10)],
  );
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 });
  const criterion = new nn.CrossEntropyLoss();
  const losses: Tensor[] = [];
  for (let step = 0; step < steps; step++) {
    const images = torch.rand(64, 1, 28, 28);
    const targets = torch.randint(10, [64]);
    optimizer.zero_grad();
    const loss = criterion(net(images), targets) as Tensor;
    loss.backward();
    optimizer.step();
    losses.push(loss.detach());
  }
  return [...losses, ...net.parameters()];
}

/** The loss, weights and running statistics of a step of a ResNet-18. */
export function trainResNet(torch: Torch, vision: typeof Vision): readonly Tensor[] {
  torch.manual_seed(0);
  const net = vision.models.resnet18({ num_classes: 10 });
  const optimizer = new torch.optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9, weight_decay: 1e-4 });
  const loss = new torch.nn.CrossEntropyLoss()(net(torch.randn(2, 3, 64, 64)), torch.tensor([3, 7])) as Tensor;
  loss.backward();
  optimizer.step();
  return [loss.detach(), ...Object.values(net.state_dict())] as Tensor[];
}
