"""Prints the polynomial coefficients in src/ir/math/coefficients.ts. Run with a Python that has mpmath and numpy.

Each fit minimizes the largest relative error of the whole function (Lawson's iteratively reweighted least squares on
Chebyshev points). float32 coefficients are rounded one by one from the leading one, and the rest fitted again.
"""

import mpmath
import numpy as np
from mpmath import mp, mpf

mp.dps = 40


def nodes(a, b, n=400):
    return [(mpf(a) + b) / 2 + (mpf(b) - a) / 2 * mpmath.cos(mp.pi * (k + mpf(1) / 2) / n) for k in range(n)]


def lawson(basis, target, iterations=60):
    w = np.ones(len(target)) / len(target)
    best, best_error = None, np.inf
    for _ in range(iterations):
        s = np.sqrt(w)
        c = np.linalg.lstsq(basis * s[:, None], target * s, rcond=None)[0]
        e = np.abs(basis @ c - target)
        if e.max() < best_error:
            best, best_error = c, e.max()
        w = w * (e + 1e-3 * e.max())
        w /= w.sum()
    return best, best_error


def polynomial(name, doc, f, weight, a, b, terms, single=True):
    """f(x) ≈ Σ c[i] x^i on [a, b]; weight(x) turns an error of f into a relative error of the function."""
    xs = nodes(a, b)
    w = np.array([float(weight(x)) for x in xs])
    target = np.array([float(f(x)) for x in xs]) * w
    x = np.array([float(v) for v in xs])
    scale = np.abs(x).max()
    basis = np.stack([(x / scale) ** i * w for i in range(terms)], axis=1)
    fixed = []
    rest = target
    c, error = lawson(basis, rest)
    if single:
        for i in range(terms):
            c, error = lawson(basis[:, i:], rest) if i else (c, error)
            v = float(np.float32(c[0] / scale**i))
            fixed.append(v)
            rest = rest - basis[:, i] * v * scale**i
        error = np.abs(rest).max()
    else:
        fixed = [float(v / scale**i) for i, v in enumerate(c)]
    show(name, f"{doc} Relative error 2^{np.log2(error):.1f}.", fixed)


def show(name, doc, coefficients):
    print(f"/** {doc} */")
    print(f"export const {name}: readonly number[] = [")
    for c in coefficients:
        print(f"  {c!r},")
    print("];\n")


LN2 = mp.log(2)


def small(x, series, exact):
    """Near 0 the closed form cancels; a few Taylor terms (by powers of x) take over."""
    return sum(mpf(c) * x**i for i, c in enumerate(series)) if abs(x) < mpf(10) ** -7 else exact(x)


def in_square(g):
    """(g(r) / r - 1) / y with y = r²."""
    return lambda y: (g(mp.sqrt(y)) / mp.sqrt(y) - 1) / y


print("/** Polynomial coefficients made by `tools/fit-math.py`, constant term first; see there for the method. */\n")
polynomial("EXP", "(e^r - 1 - r) / r² for |r| ≤ ln 2.", lambda r: small(r, [0.5, mpf(1) / 6], lambda r: (mp.exp(r) - 1 - r) / r**2),
           lambda r: r**2 / mp.exp(r), -LN2 * 1.001, LN2 * 1.001, 6)
polynomial("EXPM1", "(e^r - 1 - r) / r² for |r| ≤ ln 2, as good relative to e^r - 1.",
           lambda r: small(r, [0.5, mpf(1) / 6], lambda r: (mp.exp(r) - 1 - r) / r**2),
           lambda r: r**2 / (mp.expm1(r) if r != 0 else 1), -LN2 * 1.001, LN2 * 1.001, 7)
polynomial("EXP_HALF", "(e^r - 1 - r) / r² for |r| ≤ ln 2 / 2.", lambda r: small(r, [0.5, mpf(1) / 6], lambda r: (mp.exp(r) - 1 - r) / r**2),
           lambda r: r**2 / mp.exp(r), -LN2 / 2 * 1.001, LN2 / 2 * 1.001, 5)
polynomial("EXP2", "(2^r - 1) / r for |r| ≤ 1/2.", lambda r: small(r, [LN2, LN2**2 / 2], lambda r: (mpf(2)**r - 1) / r),
           lambda r: r / mpf(2)**r, -0.501, 0.501, 6)
polynomial("LOG", "(log(1 + f) - f + f²/2) / f³ for 1 + f in [√½, √2].",
           lambda f: small(f, [mpf(1) / 3, -mpf(1) / 4], lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3),
           lambda f: f**3 / mp.log1p(f), mp.sqrt(0.5) - 1, mp.sqrt(2) - 1, 9)
polynomial("SIN", "(sin(r) / r - 1) / r² as a polynomial of r², |r| ≤ π/2.", in_square(mp.sin),
           lambda y: y * mp.sqrt(y) / mp.sin(mp.sqrt(y)), 0, (mp.pi / 2) ** 2 * 1.001, 4)
polynomial("ATAN", "(atan(x) / x - 1) / x² as a polynomial of x², |x| ≤ 1.", in_square(mp.atan),
           lambda y: y * mp.sqrt(y) / mp.atan(mp.sqrt(y)), 0, 1, 9)
polynomial("ASIN", "(asin(x) / x - 1) / x² as a polynomial of x², |x| ≤ 1/2.", in_square(mp.asin),
           lambda y: y * mp.sqrt(y) / mp.asin(mp.sqrt(y)), 0, 0.25, 5)
polynomial("TANH", "(tanh(x) / x - 1) / x² as a polynomial of x², |x| ≤ 5/8.", in_square(mp.tanh),
           lambda y: y * mp.sqrt(y) / mp.tanh(mp.sqrt(y)), 0, mpf(25) / 64, 5)
polynomial("TAN", "(tan(x) / x - 1) / x² as a polynomial of x², |x| ≤ π/4.", in_square(mp.tan),
           lambda y: y * mp.sqrt(y) / mp.tan(mp.sqrt(y)), 0, (mp.pi / 4) ** 2 * 1.001, 6)
polynomial("ERF_NEAR", "erf(x) / x - 1 as a polynomial of x², |x| ≤ 1.1.", lambda y: mp.erf(mp.sqrt(y)) / mp.sqrt(y) - 1,
           lambda y: mp.sqrt(y) / mp.erf(mp.sqrt(y)), 0, mpf("1.21"), 7)
polynomial("ERFC_ROOT", "(1 - erf(x))^(1/8) as a polynomial of x, 1.1 ≤ x ≤ 3.95; the error of its 8th power, relative to erf.",
           lambda x: mp.erfc(x) ** (mpf(1) / 8), lambda x: 8 * mp.erfc(x) ** (mpf(7) / 8) / mp.erf(x), mpf("1.1"), mpf("3.95"), 7)

print("// The following are for float64.\n")
polynomial("EXP_F64", "e^r for |r| ≤ ln 2 / 2.", mp.exp, lambda r: mp.exp(-r), -LN2 / 2 * 1.001, LN2 / 2 * 1.001, 10, single=False)
polynomial("LOG_F64", "(atanh(s) / s - 1) / s² as a polynomial of s², for (1 + s) / (1 - s) in [√½, √2].", in_square(mp.atanh),
           lambda y: y * mp.sqrt(y) / mp.atanh(mp.sqrt(y)), 0, mpf("0.02944"), 6, single=False)
polynomial("EXP_POW", "e^r for |r| ≤ ln 2 / 2, as good as float32 needs.", mp.exp, lambda r: mp.exp(-r), -LN2 / 2 * 1.001, LN2 / 2 * 1.001, 7, single=False)
polynomial("LOG_POW", "Like LOG_F64, for powers: 104 times its error must not show in float32.", in_square(mp.atanh),
           lambda y: y * mp.sqrt(y) / mp.atanh(mp.sqrt(y)), 0, mpf("0.02944"), 4, single=False)
polynomial("ERF_F64", "erf(x) / x as a polynomial of x², |x| ≤ 1/2.", lambda y: mp.erf(mp.sqrt(y)) / mp.sqrt(y),
           lambda y: mp.sqrt(y) / mp.erf(mp.sqrt(y)), 0, 0.25, 6, single=False)


def erfcx(x):
    return mp.exp(x * x) * mp.erfc(x)


polynomial("ERFCX_F64", "exp(x²) erfc(x) as a polynomial of t = (x - 2) / (x + 2), for x in [1/2, 10.1].",
           lambda t: erfcx(2 * (1 + t) / (1 - t)), lambda t: 1 / erfcx(2 * (1 + t) / (1 - t)), -0.601, mpf("8.1") / 12.1, 13, single=False)
