/** A network as a class: layers are fields, `forward` says how they are used. Run: npm run example network */
import * as torch from "kindling";
import * as nn from "kindling/nn";
import * as F from "kindling/nn/functional";

class Net extends nn.Module {
  conv1 = new nn.Conv2d(3, 6, 5);
  pool = new nn.MaxPool2d(2, 2);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(16 * 5 * 5, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);

  override forward(x: torch.Tensor): torch.Tensor {
    x = this.pool(F.relu(this.conv1(x)));
    x = this.pool(F.relu(this.conv2(x)));
    x = torch.flatten(x, 1); // flatten all dimensions except batch
    x = F.relu(this.fc1(x));
    x = F.relu(this.fc2(x));
    x = this.fc3(x);
    return x;
  }
}

torch.manual_seed(0);
const net = new Net();
console.log(net);

// The learnable parameters were found in the fields.
let count = 0;
for (const [name, parameter] of net.named_parameters()) {
  count += parameter.numel();
  console.log(name.padEnd(12), `[${parameter.shape.join(", ")}]`);
}
console.log("parameters in all:", count);

// Networks take batches: here two pictures of three colours and 32×32 pixels.
const output = net(torch.rand(2, 3, 32, 32));
console.log("output:", output.shape, "by", output.grad_fn?.name());
