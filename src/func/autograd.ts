/** The `torch.autograd` namespace: what has no need of vmap is in `autograd/`. */
export * from "../autograd/index.ts";
export { grad } from "./batched-grad.ts";
export * as functional from "./functional.ts";
export {
  GradcheckError,
  type GradcheckOptions,
  type GradgradcheckOptions,
  gradcheck,
  gradgradcheck,
} from "./gradcheck/index.ts";
