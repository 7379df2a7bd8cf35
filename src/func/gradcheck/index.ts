/** `torch.autograd.gradcheck`: the function, and with it everything that PyTorch's module of the same name has. */
import { get_analytical_jacobian } from "./analytical.ts";
import { GradcheckError } from "./errors.ts";
import { gradcheck as check, gradgradcheck } from "./gradcheck.ts";
import { get_numerical_jacobian, get_numerical_jacobian_wrt_specific_input } from "./numerical.ts";

export { GradcheckError } from "./errors.ts";
export { type GradcheckOptions, type GradgradcheckOptions, gradgradcheck } from "./gradcheck.ts";
export type { CheckedFunction } from "./inputs.ts";

const exported = {
  gradgradcheck,
  GradcheckError,
  get_analytical_jacobian,
  get_numerical_jacobian,
  get_numerical_jacobian_wrt_specific_input,
};
type Gradcheck = typeof check & typeof exported & { readonly gradcheck: typeof check };

/** `gradcheck(fn, inputs, options)`; also the module that has it: `torch.autograd.gradcheck.gradgradcheck`. */
export const gradcheck: Gradcheck = Object.assign(check, exported, { gradcheck: check });
