/** Whole training steps (forward, loss, backward, update) and inference. */
import * as torch from "../../src/index.ts";
import type { Operations, TransformerOperations } from "../networks/functional.ts";
import * as functional from "../networks/functional.ts";
import { type JaxOptimizer, jaxAdam, jaxOperations, jaxSgd, jaxTrainingStep } from "../networks/jax.ts";
import { makeGpt, makeLeNet, makeMlp, makeResNet18, type Training, trainingStep } from "../networks/kindling.ts";
import { onnxOperations } from "../networks/onnx.ts";
import { type TfOptimizer, tfAdam, tfOperations, tfSgd, tfTrainingStep, tfWeights } from "../networks/tfjs.ts";
import { type Input, type Layouts, labels, type Row, uniform } from "../row.ts";

interface Step {
  readonly name: string;
  readonly input: Input;
  readonly target: Input;
  readonly kindling: () => Training | Promise<Training>;
  /** Makes `net`, `optimizer` and `criterion`. */
  readonly pytorch: string;
  /** The network for the other libraries. */
  readonly functional: <T>(operations: Operations<T> & TransformerOperations<T>, input: T) => T;
  readonly tfjs: TfOptimizer;
  readonly jax: JaxOptimizer;
  readonly layouts?: Layouts;
  readonly bar: number;
  readonly comparedCall?: number;
}

function step(definition: Step): Row {
  const { name, input, target, kindling, pytorch, functional, tfjs, jax, layouts, bar, comparedCall = 3 } = definition;
  return {
    name,
    inputs: { input, target },
    // The first steps agree to the last bits; then training amplifies rounding.
    tolerance: 1e-3,
    comparedCall,
    kindling: async (inputs) => trainingStep(await kindling(), inputs.input, inputs.target),
    pytorch: `${pytorch}
def step():
    optimizer.zero_grad()
    loss = criterion(net(input), target)
    loss.backward()
    optimizer.step()
    return loss`,
    parameters: async () => Object.fromEntries((await kindling()).net.named_parameters()),
    tfjs: (library, inputs, parameters) =>
      tfTrainingStep(library, parameters, (o) => functional(o, inputs.input), inputs.target, tfjs),
    jax: (library, inputs, parameters) => jaxTrainingStep(library, parameters, functional, inputs, jax),
    layouts,
    bar,
  };
}

/** Images go in; a loss or logits come out. */
const IMAGES: Layouts = { inputs: { input: "images" }, outputs: [null] };

function lenet(batch: number, bar: number): Row {
  return step({
    name: `LeNet, SGD step, batch ${batch}`,
    input: uniform([batch, 1, 32, 32]),
    target: labels([batch], 10),
    kindling: makeLeNet,
    pytorch: `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
criterion = nn.CrossEntropyLoss()`,
    functional: functional.lenet,
    tfjs: tfSgd,
    jax: jaxSgd,
    layouts: IMAGES,
    bar,
  });
}

const mlp = step({
  name: "MLP 784-512-512-10, Adam step, batch 128",
  input: uniform([128, 784]),
  target: labels([128], 10),
  kindling: makeMlp,
  pytorch: `
net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()`,
  functional: functional.mlp,
  tfjs: tfAdam(0),
  jax: jaxAdam(0),
  bar: 1.2,
});

const VOCABULARY = 65;
const CONTEXT = 128;

const gpt = step({
  name: "GPT (4 layers, width 128, 4 heads, context 128), AdamW step, batch 8",
  input: labels([8, CONTEXT], VOCABULARY),
  target: labels([8, CONTEXT], VOCABULARY),
  kindling: () => makeGpt(VOCABULARY, CONTEXT),
  pytorch: `
class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.heads = heads
    def forward(self, x):
        batch, length, width = x.shape
        heads = lambda t: t.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        q, k, v = map(heads, self.attention(self.norm1(x)).split(width, 2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.projection(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norm2(x))
class Gpt(nn.Module):
    def __init__(self, vocabulary, context, layers, width, heads):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        return self.head(self.norm(self.blocks(x)))
net = Gpt(${VOCABULARY}, ${CONTEXT}, 4, 128, 4)
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
criterion = lambda logits, target: F.cross_entropy(logits.flatten(0, 1), target.flatten())`,
  functional: (o, tokens) => functional.gpt(o, tokens, 4, 4),
  tfjs: tfAdam(0.01),
  jax: jaxAdam(0.01),
  bar: 1,
});

const RESNET18 = `
from torchvision.models import resnet18
net = resnet18()
optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
criterion = nn.CrossEntropyLoss()`;

function resnet18(batch: number, size: number): Row {
  return step({
    name: `resnet18, SGD step, batch ${batch} at ${size}²`,
    input: uniform([batch, 3, size, size]),
    target: labels([batch], 1000),
    kindling: makeResNet18,
    pytorch: RESNET18,
    functional: functional.resnet18,
    tfjs: tfSgd,
    jax: jaxSgd,
    layouts: IMAGES,
    bar: 1,
    comparedCall: 2,
  });
}

const inference: Row = {
  name: "resnet18, inference, batch 8 at 224²",
  inputs: { input: uniform([8, 3, 224, 224]) },
  kindling: async ({ input }) => {
    const { net } = await makeResNet18();
    net.eval();
    return () => torch.inference_mode(() => net(input));
  },
  pytorch: `${RESNET18}
net.eval()
def step():
    with torch.inference_mode():
        return net(input)`,
  parameters: async () => {
    const entries = Object.entries((await makeResNet18()).net.state_dict());
    return Object.fromEntries(entries.filter(([name]) => !name.endsWith("num_batches_tracked")));
  },
  tfjs: (library, { input }, parameters) => {
    const operations = tfOperations(library, tfWeights(library, parameters));
    return () => functional.resnet18(operations, input);
  },
  jax: (library, { input }, parameters) => {
    const compiled = library.jit((weights: typeof parameters, x: typeof input) => {
      const y = functional.resnet18(jaxOperations(library, weights, false), x);
      library.tree.dispose(weights);
      return y;
    });
    return () => compiled(library.tree.ref(parameters), input.ref);
  },
  onnx: (graph, { input }, parameters) => functional.resnet18(onnxOperations(graph, parameters), input),
  layouts: IMAGES,
  bar: 1.2,
};

export const training: readonly Row[] = [
  lenet(4, 3),
  lenet(64, 1.5),
  mlp,
  gpt,
  inference,
  resnet18(16, 64),
  resnet18(8, 224),
];
