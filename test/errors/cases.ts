/**
 * Wrong calls: what one writes in PyTorch, and the same in Kindling. tools/golden-errors.py reads the Python texts from this
 * file and writes what PyTorch answers into golden.json.
 */
import * as torchNamespace from "../../src/index.ts";
import * as nnNamespace from "../../src/nn/index.ts";
import * as optimNamespace from "../../src/optim/index.ts";

/** Untyped access: these calls are the ones that the types refuse. */
export interface Loose {
  (...args: unknown[]): Loose;
  // biome-ignore lint/suspicious/noMisleadingInstantiator: anything may come out of an untyped call.
  new (...args: unknown[]): Loose;
  [key: string]: Loose;
}

const torch = torchNamespace as unknown as Loose;
const nn = nnNamespace as unknown as Loose;
const F = nn.functional;
const optim = optimNamespace as unknown as Loose;

/** The tensors that the calls use; they must be as before afterwards. */
export function makeFixtures(): Record<string, Loose> {
  const x = torch.arange(6).to(torch.float32).reshape(2, 3);
  return {
    x,
    y: torch.ones(4, 5),
    v: torch.arange(3).to(torch.float32),
    i: torch.tensor([0, 1, 2]),
    b: torch.tensor([true, false, true]),
    d: x.double(),
    w: torch.ones(2, 3, { requires_grad: true }),
    e: torch.zeros(0, 3),
    s: torch.tensor(2.5),
    images: torch.ones(2, 3, 8, 8),
  };
}

type Fixtures = ReturnType<typeof makeFixtures>;

export interface Case {
  readonly python: string;
  readonly call: (t: Fixtures) => unknown;
  /** What our message says where it is deliberately not PyTorch's, and our class if it is another. */
  readonly says?: RegExp;
  readonly name?: string;
}

export const cases: Case[] = [];

function c(python: string, call: (t: Fixtures) => unknown, says?: RegExp, name?: string): void {
  cases.push({ python, call, says, name });
}

// Shapes of operands.
c("x + y", ({ x, y }) => x.add(y));
c("x * torch.ones(2)", ({ x }) => x.mul(torch.ones(2)));
c("torch.maximum(x, y)", ({ x, y }) => torch.maximum(x, y));
c("x.add_(y)", ({ x, y }) => x.add_(y));
c("v.add_(x)", ({ v, x }) => v.add_(x));
c("v.copy_(x)", ({ v, x }) => v.copy_(x));
c("torch.where(b, x, y)", ({ b, x, y }) => torch.where(b, x, y));
c("x @ y", ({ x, y }) => x.matmul(y));
c("x.mm(v)", ({ x, v }) => x.mm(v));
c("x.mm(x)", ({ x }) => x.mm(x));
c("x.mv(torch.ones(4))", ({ x }) => x.mv(torch.ones(4)));
c("v.dot(torch.ones(4))", ({ v }) => v.dot(torch.ones(4)));
c("x.bmm(x)", ({ x }) => x.bmm(x));
c("torch.ones(2, 3, 4).bmm(torch.ones(3, 4, 5))", () => torch.ones(2, 3, 4).bmm(torch.ones(3, 4, 5)));
c("torch.addmm(v, x, x)", ({ v, x }) => torch.addmm(v, x, x));
c("s @ x", ({ s, x }) => s.matmul(x));
c("x.mm(d.t())", ({ x, d }) => x.mm(d.t()));
c("torch.cat([x, y])", ({ x, y }) => torch.cat([x, y]));
c("torch.cat([x, v])", ({ x, v }) => torch.cat([x, v]));
c("torch.cat([s, s])", ({ s }) => torch.cat([s, s]));
c("torch.cat([])", () => torch.cat([]));
c("torch.stack([x, y])", ({ x, y }) => torch.stack([x, y]));
c("torch.stack([])", () => torch.stack([]));

// Views.
c("x.view(4)", ({ x }) => x.view(4));
c("x.view(-1, -1)", ({ x }) => x.view(-1, -1));
c("x.view(4, -1)", ({ x }) => x.view(4, -1));
c("x.view(-2, 3)", ({ x }) => x.view(-2, 3), /invalid shape dimension -2/);
c("x.t().view(6)", ({ x }) => x.t().view(6));
c("x.reshape(5)", ({ x }) => x.reshape(5));
c("e.view(-1, 0)", ({ e }) => e.view(-1, 0));
c("x.permute(0)", ({ x }) => x.permute(0));
c("x.permute(0, 0)", ({ x }) => x.permute(0, 0));
c("x.permute(0, 2)", ({ x }) => x.permute(0, 2));
c("x.transpose(0, 2)", ({ x }) => x.transpose(0, 2));
c("images.t()", ({ images }) => images.t());
c("x.squeeze(5)", ({ x }) => x.squeeze(5));
c("x.unsqueeze(4)", ({ x }) => x.unsqueeze(4));
c("x.expand(3, 3)", ({ x }) => x.expand(3, 3));
c("x.expand(3)", ({ x }) => x.expand(3), /the number of sizes provided \(1\) must be greater or equal/);
c("x.expand(-1, 2, 3)", ({ x }) => x.expand(-1, 2, 3));
c("x.select(2, 0)", ({ x }) => x.select(2, 0));
c("x.select(0, 2)", ({ x }) => x.select(0, 2));
c("x.select(0, -3)", ({ x }) => x.select(0, -3));
c("s.select(0, 0)", ({ s }) => s.select(0, 0));
c("x.narrow(0, 1, 5)", ({ x }) => x.narrow(0, 1, 5));
c("x.narrow(0, 5, 1)", ({ x }) => x.narrow(0, 5, 1));
c("x.narrow(0, 0, -1)", ({ x }) => x.narrow(0, 0, -1));
c("x.unfold(0, 5, 1)", ({ x }) => x.unfold(0, 5, 1));
c("x.unfold(0, 1, 0)", ({ x }) => x.unfold(0, 1, 0));
c("x.chunk(0)", ({ x }) => x.chunk(0));
c("x.split([1, 2])", ({ x }) => x.split([1, 2]));
c("x.split(-1)", ({ x }) => x.split(-1));
c("x.diagonal(0, 0, 0)", ({ x }) => x.diagonal(0, 0, 0));
c("v.diagonal()", ({ v }) => v.diagonal());
c("x.flatten(1, 0)", ({ x }) => x.flatten(1, 0));
c("x.flatten(0, 3)", ({ x }) => x.flatten(0, 3));
c("x.unflatten(1, (2, 2))", ({ x }) => x.unflatten(1, [2, 2]));
c("x.movedim(0, 4)", ({ x }) => x.movedim(0, 4));
c("x.as_strided((3, 3), (3, 1))", ({ x }) => x.as_strided([3, 3], [3, 1]));
c("x.as_strided((3,), (1, 1))", ({ x }) => x.as_strided([3], [1, 1]));
c("x.flip(0, 0)", ({ x }) => x.flip(0, 0));
c("x.repeat(2)", ({ x }) => x.repeat(2));
c("x.tile((-1,))", ({ x }) => x.tile([-1]));
c("v.tril()", ({ v }) => v.tril());
c("x.roll((1, 1), (0,))", ({ x }) => x.roll([1, 1], [0]));

// Reductions.
c("x.sum(2)", ({ x }) => x.sum(2));
c("x.sum((0, 0))", ({ x }) => x.sum([0, 0]));
c("x.mean(-3)", ({ x }) => x.mean(-3));
c("i.mean()", ({ i }) => i.mean(), /mean\(\): .*(?:could not infer output dtype|floating)/i);
c("i.std()", ({ i }) => i.std(), /std.* only support|floating/i);
c("e.max()", ({ e }) => e.max());
c("e.argmax()", ({ e }) => e.argmax());
c("e.amax(0)", ({ e }) => e.amax(0));
c("e.max(0)", ({ e }) => e.max(0));
c("x.max(3)", ({ x }) => x.max(3));
c("x.argmin(2)", ({ x }) => x.argmin(2));
c("x.cumsum(2)", ({ x }) => x.cumsum(2));
c("x.cumsum()", ({ x }) => x.cumsum(), /missing 1 required positional argument: 'dim'/);
c("x.topk(5)", ({ x }) => x.topk(5));
c("x.sort(3)", ({ x }) => x.sort(3));
c("x.median(2)", ({ x }) => x.median(2));
c("x.norm(dim=3)", ({ x }) => x.norm({ dim: 3 }));
c("x.prod(4)", ({ x }) => x.prod(4));
c("x.logsumexp(2)", ({ x }) => x.logsumexp(2));
c("x.softmax(2)", ({ x }) => x.softmax(2));
c("x.softmax()", ({ x }) => x.softmax(), /missing 1 required positional argument: 'dim'/);

// Dtypes.
c("i.add_(1.5)", ({ i }) => i.add_(1.5));
c("i.div_(2)", ({ i }) => i.div_(2));
c("b.add_(1)", ({ b }) => b.add_(1));
c("b - b", ({ b }) => b.sub(b));
c("-b", ({ b }) => b.neg());
c("x.bitwise_not()", ({ x }) => x.bitwise_not());
c("x & x", ({ x }) => x.bitwise_and(x));
c("i.softmax(0)", ({ i }) => i.softmax(0));
c("i.requires_grad_()", ({ i }) => i.requires_grad_());
c("x.bernoulli_(2.0)", ({ x }) => x.bernoulli_(2));
c("i.normal_()", ({ i }) => i.normal_());
c("x.item()", ({ x }) => x.item());
c("e.item()", ({ e }) => e.item());
c("len(s)", ({ s }) => s.length);
c("torch.exp(x, out=torch.zeros(2, 3, dtype=torch.int64))", ({ x }) =>
  x.exp({ out: torch.zeros(2, 3, { dtype: torch.int64 }) }),
);
c(
  "torch.exp(w, out=x)",
  ({ w, x }) => torch.exp(w, { out: x }),
  /functions with out=... arguments don't support automatic differentiation/,
);

// Indexing.
c("v[torch.tensor([0, 3])]", ({ v }) => v.index([torch.tensor([0, 3])]));
c("v[torch.tensor([-4])]", ({ v }) => v.index([torch.tensor([-4])]));
c("v[torch.tensor([0.0])]", ({ v }) => v.index([torch.zeros(1)]));
c("x[b]", ({ x, b }) => x.index([b]));
c("v[5]", ({ v }) => v.index([5]));
c("v[0, 0]", ({ v }) => v.index([0, 0]));
c("x.index_select(0, torch.tensor([2]))", ({ x }) => x.index_select(0, torch.tensor([2])));
c("x.index_select(0, v)", ({ x, v }) => x.index_select(0, v));
c("x.index_select(2, i)", ({ x, i }) => x.index_select(2, i));
c("x.gather(1, torch.tensor([[3]]))", ({ x }) => x.gather(1, torch.tensor([[3]])));
c("x.gather(1, torch.tensor([0]))", ({ x }) => x.gather(1, torch.tensor([0])));
c("x.gather(1, v)", ({ x, v }) => x.gather(1, v));
c("x.scatter_(1, torch.tensor([[5]]), 1.0)", ({ x }) => x.scatter_(1, torch.tensor([[5]]), 1.5));
c("x.index_add_(0, torch.tensor([7]), torch.ones(1, 3))", ({ x }) =>
  x.index_add_(0, torch.tensor([7]), torch.ones(1, 3)),
);
c("x.index_add_(0, torch.tensor([0]), torch.ones(2, 3))", ({ x }) =>
  x.index_add_(0, torch.tensor([0]), torch.ones(2, 3)),
);
c("v.index_put_((torch.tensor([9]),), s)", ({ v, s }) => v.index_put_([torch.tensor([9])], s));
c("v.index_put_((torch.tensor([0, 1]),), v.clone())", ({ v }) => v.index_put_([torch.tensor([0, 1])], v));
c(
  "x.masked_fill(b[:2], 0.0)",
  ({ x, b }) => x.masked_fill(b.slice(0, 0, 2), 0),
  /The size of tensor a \(3\) must match the size of tensor b \(2\)/,
);
c("x.masked_fill(i, 0.0)", ({ x, i }) => x.masked_fill(i, 0), /only supports boolean masks/);
c("x.masked_fill_(b, v)", ({ x, b, v }) => x.masked_fill_(b, v));
c("x.masked_select(v)", ({ x, v }) => x.masked_select(v));
c("x.take_along_dim(i, 1)", ({ x, i }) => x.take_along_dim(i, 1));

// Creation.
c("torch.zeros(-1)", () => torch.zeros(-1));
c("torch.zeros(2, -3)", () => torch.zeros(2, -3));
c("torch.ones(2.5)", () => torch.ones(2.5));
c("torch.zeros('a')", () => torch.zeros("a"));
c("torch.zeros(2, dtype='float32')", () => torch.zeros(2, { dtype: "float32" }));
c(
  "torch.zeros(2, dytpe=torch.float32)",
  () => torch.zeros(2, { dytpe: torch.float32 }),
  /unexpected keyword argument 'dytpe'; did you mean 'dtype'/,
);
c("torch.zeros(2, device='cuda')", () => torch.zeros(2, { device: "cuda" }), /cuda/, "RuntimeError");
c("torch.zeros(2, device='abc')", () => torch.zeros(2, { device: "abc" }), /abc/);
c("torch.tensor([1, 2], device='cuda')", () => torch.tensor([1, 2], { device: "cuda" }), /cuda/, "RuntimeError");
c("x.to('cuda')", ({ x }) => x.to("cuda"), /cuda/, "RuntimeError");
c("torch.tensor([[1, 2], [3]])", () => torch.tensor([[1, 2], [3]]));
c("torch.tensor([[1], 2])", () => torch.tensor([[1], 2]));
c("torch.tensor('abc')", () => torch.tensor("abc"));
c("torch.tensor(['a'])", () => torch.tensor(["a"]));
c("torch.tensor(None)", () => torch.tensor(null));
c("torch.tensor([1, None])", () => torch.tensor([1, null]));
c(
  "torch.tensor([1], requires_grad=True)",
  () => torch.tensor([1], { requires_grad: true, dtype: torch.int64 }),
  /only Tensors of floating point dtype can require gradients/,
);
c("torch.arange(5, 0)", () => torch.arange(5, 0));
c("torch.arange(0, 5, 0)", () => torch.arange(0, 5, 0));
c("torch.arange(float('nan'))", () => torch.arange(Number.NaN), /unsupported range: 0 -> nan/i);
c("torch.arange(0, float('inf'))", () => torch.arange(0, Number.POSITIVE_INFINITY), /unsupported range: 0 -> inf/i);
c("torch.linspace(0, 1, -1)", () => torch.linspace(0, 1, -1));
c("torch.eye(-1)", () => torch.eye(-1));
c("torch.full((2,), 'a')", () => torch.full([2], "a"));
c("torch.randint(5, 5, (2,))", () => torch.randint(5, 5, [2]));
c("torch.randint(0, 0, (2,))", () => torch.randint(0, 0, [2]));
c("torch.randn(2, dtype=torch.int64)", () => torch.randn(2, { dtype: torch.int64 }));
c("torch.randperm(-1)", () => torch.randperm(-1), /must be non-negative, got -1/);
c("torch.multinomial(torch.tensor([-1.0, 2.0]), 1)", () => torch.multinomial(torch.tensor([-1, 2.5]), 1));
c("torch.multinomial(torch.tensor([0.5, 0.5]), 3)", () => torch.multinomial(torch.tensor([0.5, 0.5]), 3));
c("torch.multinomial(torch.tensor([0.0, 0.0]), 1)", () => torch.multinomial(torch.zeros(2), 1));
c("torch.normal(0.0, -1.0, (2,))", () => torch.normal(0, -1, [2]));
c("torch.zeros(2).uniform_(1, 0)", () => torch.zeros(2).uniform_(1, 0));
c("torch.zeros(2).exponential_(-1)", () => torch.zeros(2).exponential_(-1));
c("torch.full_like(3, 1)", () => torch.full_like(3, 1));
c("torch.zeros_like([1])", () => torch.zeros_like([1]));

// Arguments of the wrong kind, unknown or misspelled names, wrong counts.
c("x.add('1')", ({ x }) => x.add("1"), /argument 'other' \(position 2\) must be Tensor or Number, not str/);
c("x.add(None)", ({ x }) => x.add(null), /must be Tensor or Number, not NoneType/);
c("x.add({})", ({ x }) => x.add({}), /missing 1 required positional argument/);
c("x.add([1])", ({ x }) => x.add([1]), /must be Tensor or Number, not list/);
c("x.mul()", ({ x }) => x.mul(), /missing 1 required positional argument: 'other'/);
c("x.add(1, 2, 3)", ({ x }) => x.add(1, 2, 3), /positional argument/);
c("x.exp(1)", ({ x }) => x.exp(1), /positional argument/);
c("x.sum('a')", ({ x }) => x.sum("a"), /argument 'dim' \(position 2\) must be tuple of ints, not str/);
c("x.sum(0.5)", ({ x }) => x.sum(0.5), /argument 'dim' \(position 2\) must be tuple of ints, not float/);
c("x.sum(0, keepdims=3)", ({ x }) => x.sum(0, { keepdims: 3 }), /keepdim/);
c("x.sum(0, keepdim='yes')", ({ x }) => x.sum(0, { keepdim: "yes" }));
c("x.sum(0, keep_dim=True)", ({ x }) => x.sum(0, { keep_dim: true }), /'keep_dim'; did you mean 'keepdim'/);
c("x.sum(0, dim=1)", ({ x }) => x.sum(0, { dim: 1 }), /multiple values for argument 'dim'/);
c("x.add(1, alhpa=2)", ({ x }) => x.add(1, { alhpa: 2 }), /'alhpa'; did you mean 'alpha'/);
c("i.add(1, alpha=1.5)", ({ i }) => i.add(1, { alpha: 1.5 }));
c("x.div(2, rounding_mode='up')", ({ x }) => x.div(2, { rounding_mode: "up" }));
c("x.matmul(3)", ({ x }) => x.matmul(3));
c("x.reshape('a')", ({ x }) => x.reshape("a"));
c("x.reshape(2.5)", ({ x }) => x.reshape(2.5));
c("x.permute('a', 'b')", ({ x }) => x.permute("a", "b"), /argument 'dims' .*must be tuple of ints, not str/);
c("x.transpose(0)", ({ x }) => x.transpose(0), /missing 1 required positional argument: 'dim1'/);
c("x.transpose('0', 1)", ({ x }) => x.transpose("0", 1));
c("x.clamp()", ({ x }) => x.clamp());
c("x.clamp('a')", ({ x }) => x.clamp("a"), /argument 'min' .*must be Tensor or Number, not str/);
c("torch.cat(x, 0)", ({ x }) => torch.cat(x, 0));
c("torch.cat([x, 3])", ({ x }) => torch.cat([x, 3]));
c("torch.stack([x, None])", ({ x }) => torch.stack([x, null]));
c("torch.exp(3)", () => torch.exp(3));
c("torch.exp(None)", () => torch.exp(null));
c("torch.exp('x')", () => torch.exp("x"));
c("torch.exp()", () => torch.exp(), /missing 1 required positional argument: 'input'/);
c("torch.where(x, 1)", ({ x }) => torch.where(x, 1), /.*/);
c("torch.einsum('ij,jk', x, x)", ({ x }) => torch.einsum("ij,jk", x, x));
c("torch.einsum('ij', x, x)", ({ x }) => torch.einsum("ij", x, x));
c("torch.einsum('i', x)", ({ x }) => torch.einsum("i", x));
c("torch.einsum('i!', v)", ({ v }) => torch.einsum("i!", v));
c("torch.manual_seed('a')", () => torch.manual_seed("a"), /expected a long, but got/, "RuntimeError");
c("x.fill_(v)", ({ x, v }) => x.fill_(v));
c("x.fill_('a')", ({ x }) => x.fill_("a"), /argument 'value' .*must be Tensor or Number, not str/);

// Autograd.
c("x.backward()", ({ x }) => x.backward());
c("(w * 2).backward()", ({ w }) => w.mul(2).backward());
c("w.add_(1)", ({ w }) => w.add_(1));
c("w[0].add_(1)", ({ w }) => w.select(0, 0).add_(1));
c("w.sum().backward(torch.ones(2))", ({ w }) => w.sum().backward(torch.ones(2)));
c(
  "(w * w).sum().backward(gradeint=None)",
  ({ w }) => w.mul(w).sum().backward({ gradeint: null }),
  /did you mean 'gradient'/,
);

// nn.functional.
c("F.linear(x, y)", ({ x, y }) => F.linear(x, y));
c("F.conv2d(images, torch.ones(4, 5, 3, 3))", ({ images }) => F.conv2d(images, torch.ones(4, 5, 3, 3)));
c("F.conv2d(images, torch.ones(4, 3, 9, 9))", ({ images }) => F.conv2d(images, torch.ones(4, 3, 9, 9)));
c("F.conv2d(images, torch.ones(4, 3, 3, 3), stride=0)", ({ images }) =>
  F.conv2d(images, torch.ones(4, 3, 3, 3), { stride: 0 }),
);
c("F.conv2d(images, torch.ones(4, 3, 3, 3), padding=-1)", ({ images }) =>
  F.conv2d(images, torch.ones(4, 3, 3, 3), { padding: -1 }),
);
c("F.conv2d(images, torch.ones(4, 3, 3, 3), torch.ones(3))", ({ images }) =>
  F.conv2d(images, torch.ones(4, 3, 3, 3), torch.ones(3)),
);
c("F.conv2d(images, torch.ones(4, 3, 3, 3), groups=2)", ({ images }) =>
  F.conv2d(images, torch.ones(4, 3, 3, 3), { groups: 2 }),
);
c("F.conv2d(images.double(), torch.ones(4, 3, 3, 3))", ({ images }) =>
  F.conv2d(images.double(), torch.ones(4, 3, 3, 3)),
);
c("F.conv2d(x, torch.ones(4, 3, 3, 3))", ({ x }) => F.conv2d(x, torch.ones(4, 3, 3, 3)));
c("F.conv2d(images, torch.ones(4, 3, 3, 3), padding='some')", ({ images }) =>
  F.conv2d(images, torch.ones(4, 3, 3, 3), { padding: "some" }),
);
c("F.max_pool2d(x, 2)", ({ x }) => F.max_pool2d(x, 2));
c("F.max_pool2d(images, 0)", ({ images }) => F.max_pool2d(images, 0));
c("F.max_pool2d(images, 9)", ({ images }) => F.max_pool2d(images, 9));
c("F.max_pool2d(images, 2, padding=2)", ({ images }) => F.max_pool2d(images, 2, { padding: 2 }));
c("F.avg_pool2d(images, 2, divisor_override=0)", ({ images }) => F.avg_pool2d(images, 2, { divisor_override: 0 }));
c("F.pad(x, (1, 2, 3))", ({ x }) => F.pad(x, [1, 2, 3]));
c("F.pad(x, (-5, 0))", ({ x }) => F.pad(x, [-5, 0]), /negative padding -5 and 0 resulted in a negative output size/);
c("F.pad(x, (1, 1), mode='abc')", ({ x }) => F.pad(x, [1, 1], { mode: "abc" }), /.*/);
c("F.pad(images, (9, 9), mode='reflect')", ({ images }) => F.pad(images, [9, 9], { mode: "reflect" }), /.*/);
c("F.dropout(x, 1.5)", ({ x }) => F.dropout(x, 1.5));
c("F.embedding(torch.tensor([5]), x)", ({ x }) => F.embedding(torch.tensor([5]), x));
c("F.embedding(v, x)", ({ v, x }) => F.embedding(v, x));
c("F.layer_norm(x, (4,))", ({ x }) => F.layer_norm(x, [4]));
c("F.batch_norm(x, torch.zeros(2), torch.ones(2))", ({ x }) => F.batch_norm(x, torch.zeros(2), torch.ones(2)));
c("F.batch_norm(x[:1], torch.zeros(3), torch.ones(3), training=True)", ({ x }) =>
  F.batch_norm(x.slice(0, 0, 1), torch.zeros(3), torch.ones(3), { training: true }),
);
c("F.one_hot(torch.tensor([-1]))", () => F.one_hot(torch.tensor([-1])));
c("F.one_hot(torch.tensor([5]), 3)", () => F.one_hot(torch.tensor([5]), 3));
c("F.one_hot(v)", ({ v }) => F.one_hot(v));
c("F.relu('a')", () => F.relu("a"), /.*/);
c("F.gelu(x, approximate='x')", ({ x }) => F.gelu(x, { approximate: "x" }));
c("F.glu(x)", ({ x }) => F.glu(x));

// Losses.
c("F.cross_entropy(x, torch.tensor([0, 3]))", ({ x }) => F.cross_entropy(x, torch.tensor([0, 3])));
c("F.cross_entropy(x, torch.tensor([0, -1]))", ({ x }) => F.cross_entropy(x, torch.tensor([0, -1])));
c("F.cross_entropy(x, torch.tensor([0, 1, 2]))", ({ x }) => F.cross_entropy(x, torch.tensor([0, 1, 2])));
c("F.cross_entropy(x, torch.tensor([0.0, 1.0]))", ({ x }) => F.cross_entropy(x, torch.zeros(2)));
c("F.cross_entropy(x, torch.tensor([0, 1]), weight=torch.ones(2))", ({ x }) =>
  F.cross_entropy(x, torch.tensor([0, 1]), { weight: torch.ones(2) }),
);
c("F.cross_entropy(x, torch.tensor([0, 1]), reduction='avg')", ({ x }) =>
  F.cross_entropy(x, torch.tensor([0, 1]), { reduction: "avg" }),
);
c("F.cross_entropy(x, torch.tensor([0, 1]), label_smoothing=2.0)", ({ x }) =>
  F.cross_entropy(x, torch.tensor([0, 1]), { label_smoothing: 2 }),
);
c(
  "F.cross_entropy(x, torch.tensor([0, 1]), label_smothing=0.1)",
  ({ x }) => F.cross_entropy(x, torch.tensor([0, 1]), { label_smothing: 0.1 }),
  /did you mean 'label_smoothing'/,
);
c("F.nll_loss(x, torch.tensor([0, 5]))", ({ x }) => F.nll_loss(x, torch.tensor([0, 5])));
c("F.nll_loss(x, torch.tensor([0]))", ({ x }) => F.nll_loss(x, torch.tensor([0])));
c("F.mse_loss(x, y)", ({ x, y }) => F.mse_loss(x, y));
c("F.mse_loss(x, x, reduction='none_')", ({ x }) => F.mse_loss(x, x, { reduction: "none_" }));
c("F.l1_loss(x, y)", ({ x, y }) => F.l1_loss(x, y));
c("F.smooth_l1_loss(x, x, beta=-1)", ({ x }) => F.smooth_l1_loss(x, x, { beta: -1 }));
c("F.huber_loss(x, x, delta=0)", ({ x }) => F.huber_loss(x, x, { delta: 0 }));
c("F.binary_cross_entropy(x, x)", ({ x }) => F.binary_cross_entropy(x, x));
c("F.binary_cross_entropy(torch.sigmoid(x), v)", ({ x, v }) => F.binary_cross_entropy(x.sigmoid(), v));
c("F.binary_cross_entropy_with_logits(x, v)", ({ x, v }) => F.binary_cross_entropy_with_logits(x, v));
c("F.kl_div(x, y)", ({ x, y }) => F.kl_div(x, y));

// nn.
c("nn.Linear(3, 2)(y)", ({ y }) => new nn.Linear(3, 2)(y));
c("nn.Linear(3, 2)(d)", ({ d }) => new nn.Linear(3, 2)(d));
c("nn.Linear(3, 2)(i)", ({ i }) => new nn.Linear(3, 2)(i));
c("nn.Linear(3)", () => new nn.Linear(3), /missing 1 required positional argument: 'out_features'/);
c("nn.Linear(3, 2, baies=False)", () => new nn.Linear(3, 2, { baies: false }), /'baies'; did you mean 'bias'/);
c("nn.Linear('a', 2)", () => new nn.Linear("a", 2), /.*/);
c("nn.Linear(-1, 2)", () => new nn.Linear(-1, 2));
c("nn.Conv2d(3, 4, 3)(x)", ({ x }) => new nn.Conv2d(3, 4, 3)(x));
c("nn.Conv2d(4, 4, 3)(images)", ({ images }) => new nn.Conv2d(4, 4, 3)(images));
c("nn.Conv2d(3, 4, 3, groups=2)", () => new nn.Conv2d(3, 4, 3, { groups: 2 }));
c("nn.Conv2d(3, 4, 3, groups=0)", () => new nn.Conv2d(3, 4, 3, { groups: 0 }));
c(
  "nn.Conv2d(3, 4, 3, padding_mode='abc')",
  () => new nn.Conv2d(3, 4, 3, { padding_mode: "abc" }),
  /padding_mode must be one of .*, but got padding_mode='abc'/,
);
c(
  "nn.Conv2d(3, 4, 3, padding='abc')",
  () => new nn.Conv2d(3, 4, 3, { padding: "abc" }),
  /Invalid padding string 'abc'/,
);
c("nn.Conv2d(3, 4, 3, kernal_size=3)", () => new nn.Conv2d(3, 4, 3, { kernal_size: 3 }), /did you mean 'kernel_size'/);
c("nn.BatchNorm2d(3)(x)", ({ x }) => new nn.BatchNorm2d(3)(x));
c("nn.BatchNorm2d(4)(images)", ({ images }) => new nn.BatchNorm2d(4)(images));
c("nn.BatchNorm1d(3)(images)", ({ images }) => new nn.BatchNorm1d(3)(images));
c("nn.LayerNorm(4)(x)", ({ x }) => new nn.LayerNorm(4)(x));
c("nn.Dropout(2)", () => new nn.Dropout(2));
c("nn.Dropout(-0.1)", () => new nn.Dropout(-0.1));
c("nn.Embedding(3, 2)(torch.tensor([3]))", () => new nn.Embedding(3, 2)(torch.tensor([3])));
c(
  "nn.Embedding(3, 2, padding_idx=5)",
  () => new nn.Embedding(3, 2, { padding_idx: 5 }),
  /Padding_idx must be within num_embeddings/,
  "ValueError",
);
c("nn.CrossEntropyLoss(reduction='avg')(x, torch.tensor([0, 1]))", ({ x }) =>
  new nn.CrossEntropyLoss({ reduction: "avg" })(x, torch.tensor([0, 1])),
);
c("nn.Sequential(3)", () => new nn.Sequential(3), /.*/);
c("nn.ModuleList([3])", () => new nn.ModuleList([3]), /.*/);
c("nn.Linear(3, 2).load_state_dict({})", () => new nn.Linear(3, 2).load_state_dict({}));
c("nn.Linear(3, 2).load_state_dict({'weight': x, 'bias': v})", ({ x, v }) =>
  new nn.Linear(3, 2).load_state_dict({ weight: x, bias: v }),
);
c(
  "nn.Linear(3, 2).register_buffer('a.b', None)",
  () => new nn.Linear(3, 2).register_buffer("a.b", null),
  /buffer name can.t contain/,
);
c(
  "nn.Linear(3, 2).get_submodule('abc')",
  () => new nn.Linear(3, 2).get_submodule("abc"),
  /Linear has no attribute `abc`/,
  "KeyError",
);
c("nn.init.xavier_uniform_(v)", ({ v }) => nn.init.xavier_uniform_(v));
c("nn.init.kaiming_uniform_(x, mode='abc')", ({ x }) => nn.init.kaiming_uniform_(x, { mode: "abc" }));
c("nn.init.calculate_gain('abc')", () => nn.init.calculate_gain("abc"));

// optim.
c("torch.optim.SGD([], lr=0.1)", () => new optim.SGD([], { lr: 0.1 }));
c("torch.optim.SGD([w], lr=-0.1)", ({ w }) => new optim.SGD([w], { lr: -0.1 }));
c("torch.optim.SGD([w], lr=0.1, momentum=-1)", ({ w }) => new optim.SGD([w], { lr: 0.1, momentum: -1 }));
c("torch.optim.SGD([w], lr=0.1, weight_decay=-1)", ({ w }) => new optim.SGD([w], { lr: 0.1, weight_decay: -1 }));
c("torch.optim.SGD([w], lr=0.1, nesterov=True)", ({ w }) => new optim.SGD([w], { lr: 0.1, nesterov: true }));
c(
  "torch.optim.SGD([w], lr=0.1, momentun=0.9)",
  ({ w }) => new optim.SGD([w], { lr: 0.1, momentun: 0.9 }),
  /did you mean 'momentum'/,
);
c(
  "torch.optim.SGD(w, lr=0.1)",
  ({ w }) => new optim.SGD(w, { lr: 0.1 }),
  /should be an iterable of Tensors or dicts, but got/,
);
c("torch.optim.SGD([3], lr=0.1)", () => new optim.SGD([3], { lr: 0.1 }));
c("torch.optim.SGD([w * 2], lr=0.1)", ({ w }) => new optim.SGD([w.mul(2)], { lr: 0.1 }));
c(
  "torch.optim.SGD([{'params': [w]}, {'params': [w]}], lr=0.1)",
  ({ w }) => new optim.SGD([{ params: [w] }, { params: [w] }], { lr: 0.1 }),
);
c("torch.optim.Adam([w], betas=(1.5, 0.9))", ({ w }) => new optim.Adam([w], { betas: [1.5, 0.9] }));
c("torch.optim.Adam([w], eps=-1)", ({ w }) => new optim.Adam([w], { eps: -1 }));
c("torch.optim.RMSprop([w], alpha=-1)", ({ w }) => new optim.RMSprop([w], { alpha: -1 }));
c("torch.optim.Adagrad([w], lr_decay=-1)", ({ w }) => new optim.Adagrad([w], { lr_decay: -1 }));
c("torch.optim.lr_scheduler.StepLR(3, 1)", () => new optim.lr_scheduler.StepLR(3, 1));
