/**
 * Differences from PyTorch that are meant, each with its reason. A sample is named by its id (`report.ts` prints it); an id of
 * "*" stands for all samples of the op. An entry that no longer fails is reported, so that it can go.
 */
export interface KnownFailure {
  op: string;
  sample: string;
  reason: string;
}

const same = (reason: string, op: string, samples: readonly string[]): KnownFailure[] =>
  samples.map((sample) => ({ op, sample, reason }));

export const knownFailures: KnownFailure[] = [
  ...same(
    "PyTorch reads freed or foreign memory here: its in-place selection runs on an expanded copy of the input",
    "nanmedian",
    ["float32:e0ce1b"],
  ),
  ...same(
    "PyTorch computes x·scale + (bias - mean·scale), which is inf - inf where the weight is infinite; (x - mean)·scale + bias is not",
    "nn.functional.group_norm",
    ["float32:68303b", "float32:cb5be9"],
  ),
  ...same(
    "one element: x - mean is 0 here, and a rounding error of PyTorch's mean there, which 1/√eps makes large",
    "nn.functional.layer_norm",
    ["float32:bc6a5a"],
  ),
  ...["var_mean", "std_mean"].flatMap((op) =>
    same(
      "the mean of values with an infinity: PyTorch's depends on whether another value follows it",
      op,
      op === "var_mean" ? ["float32:d0a42d", "float64:53fbe9"] : ["float32:95ec61", "float64:27d371"],
    ),
  ),
  ...same("the nuclear norm needs a singular value decomposition, which is not there yet", "norm", [
    "float32:a1e24d",
    "float32:c18b9b",
    "float64:b686d5",
    "float64:cbadc1",
  ]),
  ...["add", "sub"].flatMap((op) =>
    same("PyTorch rounds alpha·other to half precision before the sum; here the sum is rounded once", op, [
      op === "add" ? "float16:97f5f4" : "float16:941923",
    ]),
  ),
  ...same(
    "PyTorch rounds the quotient to half precision before the logarithm; here only the result is rounded",
    "logit",
    ["float16:10bb4f", "float16:a4daa8", "bfloat16:b26435"],
  ),
  ...same("PyTorch raises 2 to a half-precision 0-dimensional exponent in float64, unlike its gradient", "ldexp", [
    "float64:872e72",
    "float64:b2d3c4",
  ]),
  ...same("PyTorch's float32 erfinv is a few units in the last place off, which exp(erfinv²) makes large", "erfinv", [
    "float32:108371",
    "float32:44f9d0",
    "float32:f7da5c",
    "float32:b1929a",
  ]),
  ...same("PyTorch's exp(90), a factor of i0(90), overflows in half precision although the result does not", "i0", [
    "bfloat16:fcb2be",
    "float32:ea19cb",
  ]),
  ...Object.entries({
    "nn.functional.conv1d": ["faf748", "18e567", "835646", "d2dbd0"]
      .map((s) => `float32:${s}`)
      .concat(["3de27f", "8849b0", "0ee03c", "5ca329"].map((s) => `float64:${s}`)),
    "nn.functional.conv3d": ["float32:d1d7b1", "float32:68d1a0", "float64:491f92", "float64:98780d"],
    "nn.functional.conv_transpose1d": [
      "float16:117ff3",
      "float16:4f9b18",
      "bfloat16:7451c7",
      "bfloat16:2b745e",
      "float32:f5a88a",
      "float32:4b56ec",
      "float64:33ba32",
      "float64:45fb0c",
    ],
    "nn.functional.conv_transpose2d": [
      "float16:30741b",
      "bfloat16:391657",
      "float32:2292a6",
      "float32:86afef",
      "float32:348a4f",
      "float32:3ee851",
      "float64:53ede8",
      "float64:aa5f8e",
    ],
  }).flatMap(([op, samples]) =>
    same(
      "an infinite weight times a padding zero is NaN; whether PyTorch multiplies the padding depends on the library it calls",
      op,
      samples,
    ),
  ),
  ...same(
    "PyTorch rounds the argument of the logarithm to half precision, where it overflows; here only the result is rounded",
    "nn.functional.soft_margin_loss",
    ["float16:a28393", "float16:a04a82"],
  ),
  ...["cat", "gather", "index_select"].flatMap((op) =>
    same(
      "PyTorch refuses an `out` whose memory NumPy owns or whose elements overlap; here `out` gets memory of its own",
      op,
      [{ cat: "error:4a64d6", gather: "error:6d745b", index_select: "error:e4d5ea" }[op] as string],
    ),
  ),
  ...same("x·cos(x) - sin(x) near 0 is all rounding error", "sinc", ["float32:cad0dc"]),
  ...Object.entries({
    logit: ["float64:cfe85d", "float64:a38c2d"],
    "nn.functional.celu": ["float64:8e6686"],
    "nn.functional.elu": ["float64:428e11"],
    "nn.functional.selu": ["float64:02b26d"],
    "nn.functional.hardswish": ["float64:75efa4"],
    "nn.functional.hardshrink": ["float64:c133f3", "float64:d9c1d8", "float64:2f4935", "float64:5795ef"],
    "nn.functional.hardtanh": ["float64:8d0b85", "float64:a8b200", "float64:cc772d"],
    "nn.functional.relu6": ["float64:655f7f"],
    "nn.functional.softshrink": ["float64:fc55cb", "float64:546d5b", "float64:eb451a"],
  }).flatMap(([op, samples]) =>
    same(
      "the gradient at NaN: PyTorch's vector code differs from its own scalar code, which is what we follow",
      op,
      samples,
    ),
  ),
  ...same("a position that is NaN: PyTorch's conversion to a whole number depends on the type", "grid_sampler_3d", [
    "bfloat16:ede05b",
  ]),
];
