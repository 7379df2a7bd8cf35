/** `torch.linalg`. */
export { type VectorNormOptions, vector_norm } from "./vector-norm.ts";
