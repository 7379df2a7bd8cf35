/** Autograd: every operation is recorded, and `backward` finds the gradients. Run: npm run example autograd-basics */
import * as torch from "kindling";

// A tensor that wants its gradient.
const x = torch.tensor([1, 2, 3], { requires_grad: true });

// What is computed with it remembers how: this is the graph that backward walks.
const y = x.mul(x).add(2); // y = x² + 2
const loss = y.sum();
console.log("y =", y);
console.log("made by", loss.grad_fn?.name(), "after", y.grad_fn?.name());

// d(Σ x² + 2)/dx = 2x
loss.backward();
console.log("x.grad =", x.grad);

// Gradients add up until they are cleared.
x.mul(10).sum().backward();
console.log("and 10 more:", x.grad);
x.grad = null;

// The first loop of the notes: a model, its prediction, a loss, backward. Here the model is a matrix.
torch.manual_seed(0);
const weight = torch.rand([4, 3], { requires_grad: true });
const data = torch.rand(1, 3);
const labels = torch.rand(1, 4);
const prediction = data.mm(weight.t()); // forward pass
prediction.sub(labels).sum().backward(); // backward pass
console.log("gradient of the matrix:", weight.grad);

// A gradient without touching any .grad field.
const t = torch.tensor(0.5, { requires_grad: true });
const [slope] = torch.autograd.grad(t.sin(), t);
console.log("the slope of the sine at 0.5 is", slope.item());
