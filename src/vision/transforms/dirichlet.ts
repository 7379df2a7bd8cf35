/** Samples of the Dirichlet distribution, as `torch._sample_dirichlet` draws them in single precision. */
import { standard_gamma } from "../../random/distributions.ts";
import { default_generator } from "../../random/generator.ts";

/** @internal A sample for the concentrations: gamma samples in double precision, divided by their sum. */
export function sampleDirichlet(concentrations: readonly number[]): number[] {
  const gammas = new Float64Array(concentrations.length);
  standard_gamma(gammas, Float64Array.from(concentrations, Math.fround), default_generator);
  const sum = gammas.reduce((a, b) => a + b, 0);
  const [least, greatest] = [2 ** -126, 1 - 2 ** -24];
  return Array.from(gammas, (g) => Math.min(greatest, Math.max(least, Math.fround(g / sum))));
}
