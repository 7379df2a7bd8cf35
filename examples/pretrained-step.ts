/** A pretrained network and one step of training: the notes' first program. Run: npm run example pretrained-step */
import * as torch from "kindling";
import * as optim from "kindling/optim";
import { resnet18 } from "kindling/vision/models";

torch.manual_seed(0);

// Downloaded once, 45 MB, into PyTorch's own folder. Without a network the error says how to put the file there by hand,
// and this program goes on with weights that have learned nothing yet.
const model = await resnet18({ weights: "DEFAULT" }).catch((error: Error) => {
  console.log(error.message);
  return resnet18();
});

const data = torch.rand(1, 3, 64, 64); // one picture of 64 × 64 with 3 channels
const labels = torch.rand(1, 1000);

const prediction = model(data); // forward pass
const loss = prediction.sub(labels).sum();
loss.backward(); // backward pass
console.log("loss:", loss.item());

// Register all the parameters in the optimizer.
const optimizer = new optim.SGD(model.parameters(), { lr: 1e-2, momentum: 0.9 });
optimizer.step(); // gradient descent
console.log("gradients:", [...model.parameters()].filter((parameter) => parameter.grad !== null).length);
