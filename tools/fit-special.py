"""Prints the Chebyshev coefficients in src/ir/special/*.ts. Run with a Python that has mpmath."""

from mpmath import mp, mpf, pi, cos, exp, sqrt, besseli, erf, erfc, loggamma, chop

mp.dps = 50


def chebyshev(f, a, b, n=64, eps=mpf(2) ** -60):
    """Coefficients of f on [a, b], cut where they fall below eps of the largest."""
    a, b = mpf(a), mpf(b)
    nodes = [cos(pi * (k + mpf(1) / 2) / n) for k in range(n)]
    values = [f((b + a) / 2 + (b - a) / 2 * t) for t in nodes]
    out = []
    for j in range(n):
        s = sum(values[k] * cos(pi * j * (k + mpf(1) / 2) / n) for k in range(n))
        out.append(s * 2 / n)
    out[0] /= 2
    largest = max(abs(c) for c in out)
    while abs(out[-1]) < eps * largest:
        out.pop()
    return out


def show(name, doc, coefficients):
    print(f"/** {doc} */")
    print(f"export const {name}: readonly number[] = [")
    for c in coefficients:
        print(f"  {float(c)!r},")
    print("];\n")


def erfcx(x):
    return exp(x * x) * erfc(x)


def over(f, zero, limit):
    """f(x) / (x - zero), with its limit at the zero."""
    return lambda x: limit if abs(x - zero) < mpf(10) ** -30 else f(x) / (x - zero)


import sys

which = sys.argv[1]
if which == "erf":
    show("ERF_SMALL", "erf(sqrt(t)) / sqrt(t) for t = x² in [0, 1].",
         chebyshev(lambda t: 2 / sqrt(pi) if t == 0 else erf(sqrt(t)) / sqrt(t), 0, 1))
    # x = 4 / t - 4
    show("ERFCX", "exp(x²) erfc(x) as a function of t = 4 / (4 + x), for x from 0.75 to 28.",
         chebyshev(lambda t: erfcx(4 / t - 4), mpf(4) / 32, mpf(4) / (4 + mpf(3) / 4)))
elif which == "gamma":
    show("LGAMMA_NEAR_1", "lgamma(x) / (x - 1) for x in [0.5, 1.5].",
         chebyshev(over(lambda x: loggamma(x), 1, -mp.euler), 0.5, 1.5))
    show("LGAMMA_NEAR_2", "lgamma(x) / (x - 2) for x in [1.5, 3].",
         chebyshev(over(lambda x: loggamma(x), 2, 1 - mp.euler), 1.5, 3))
elif which == "bessel":
    def large(order):
        return lambda u: 1 / sqrt(2 * pi) if u == 0 else exp(-8 / u) * sqrt(8 / u) * besseli(order, 8 / u)
    show("I0_SMALL", "exp(-x) I0(x) for x in [0, 8].", chebyshev(lambda x: exp(-x) * besseli(0, x), 0, 8))
    show("I0_LARGE", "exp(-x) sqrt(x) I0(x) as a function of 8 / x in [0, 1].", chebyshev(large(0), 0, 1))
    show("I1_SMALL", "exp(-x) I1(x) / x for x in [0, 8].",
         chebyshev(lambda x: mpf(1) / 2 if x == 0 else exp(-x) * besseli(1, x) / x, 0, 8))
    show("I1_LARGE", "exp(-x) sqrt(x) I1(x) as a function of 8 / x in [0, 1].", chebyshev(large(1), 0, 1))
