/**
 * The libraries that Kindling is compared with. They are installed when the benchmark runs, and the type check of the
 * repository does without them: what is imported from them is of type `any`, and their programs are checked by their results.
 */
declare module "@tensorflow/tfjs";
declare module "@tensorflow/tfjs-backend-wasm";
declare module "@jax-js/jax";
declare module "onnxruntime-node";
