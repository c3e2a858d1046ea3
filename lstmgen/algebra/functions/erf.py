"""The error function and its complement for NumPy, which has neither."""

from __future__ import annotations

from lstmgen.algebra.functions.entry import Text

NUMPY_ERFC = Text(
    "_erfc({})",
    '''def _erfc(a):
    """1 - erf(a) to 6 ulp: exp(-x^2) (s + 1) p(s) / 2 with s = (3 - x) / (3 + x), x = |a|.

    p interpolates at Chebyshev points; x^2 is taken in two parts, of which the larger is exact.
    """
    a = np.asarray(a)
    x = np.minimum(np.abs(a.astype(np.float64)), 30.0)  # erfc(30) is 0
    s = (3 - x) / (3 + x)
    p = np.polynomial.polynomial.polyval(s, (
        0.3580023023627799, 0.29446481772329447, 0.19674278570136933, 0.1034890873001944,
        0.039842587095666314, 0.008942411541350472, -0.00040413887394316183,
        -0.001011353998686046, -0.00018276991424949872, 9.225927134071366e-05,
        3.585392363681283e-05, -1.0132683861908937e-05, -5.823857407636006e-06,
        1.5830094253678585e-06, 9.225829640201406e-07, -3.3293900476369915e-07,
        -1.3722842699705352e-07, 7.795122669713508e-08, 1.6652640553590825e-08,
        -1.7060807323373566e-08, -1.1893885619092368e-09, 2.897924756345276e-09,
        2.3183140775046786e-12, -2.703562432063331e-10,
    ))
    near = x.astype(np.float32).astype(np.float64)
    tail = np.exp(-near * near) * np.exp((near - x) * (near + x)) * 3 / (3 + x) * p
    return np.where(a < 0, 2 - tail, tail).astype(a.dtype)
''',
)

NUMPY_ERF = Text(
    "_erf({})",
    '''def _erf(a):
    """The error function to 3 ulp: a polynomial in a^2 near 0, else 1 - erfc(|a|) with a's sign."""
    a = np.asarray(a)
    near = np.clip(a, -0.5, 0.5).astype(np.float64)
    near = near * np.polynomial.polynomial.polyval(near * near, (
        1.1283791670955126, -0.37612638903183476, 0.11283791670925457,
        -0.026866170632921085, 0.005223977373542183, -0.0008548297798086192,
        0.00012053337222877719, -1.4845900896375835e-05, 1.4726381680017032e-06,
    ))
    far = np.copysign(1 - _erfc(np.abs(a)), a)
    return np.where(np.abs(a) < 0.5, near, far).astype(a.dtype)
''',
    uses=("erfc",),
)
