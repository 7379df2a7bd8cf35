/** Freezing parameters, and computing without recording. Run: npm run example freezing */
import * as torch from "kindling";
import * as nn from "kindling/nn";
import * as optim from "kindling/optim";

torch.manual_seed(0);
const body = new nn.Sequential(new nn.Linear(8, 16), new nn.ReLU());
let head = new nn.Linear(16, 3);

// Freeze what the body has learned.
for (const parameter of body.parameters()) parameter.requires_grad = false;

// A new classifier for new labels: its parameters are not frozen.
head = new nn.Linear(16, 2);
const model = new nn.Sequential(body, head);
for (const [name, parameter] of model.named_parameters()) {
  console.log(name.padEnd(12), parameter.requires_grad ? "learns" : "is frozen");
}

// One step of fine-tuning changes the head only.
const before = body.state_dict()["0.weight"].clone();
const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
const loss = nn.functional.cross_entropy(model(torch.rand(4, 8)), torch.tensor([0, 1, 1, 0]));
loss.backward();
optimizer.step();
console.log("the body is as it was:", torch.equal(before, body.state_dict()["0.weight"]));
console.log("gradient of a frozen weight:", body.get_parameter("0.weight").grad);

// no_grad records nothing inside of it: for evaluation, and for changes by hand.
const answer = torch.no_grad(() => model(torch.rand(4, 8)).argmax(1));
console.log("answers:", answer.tolist(), "recorded:", answer.requires_grad);
{
  using _ = torch.no_grad(); // until the end of this block
  console.log("inside the block, recording is", torch.is_grad_enabled() ? "on" : "off");
}
console.log("after it,", torch.is_grad_enabled() ? "on" : "off");
