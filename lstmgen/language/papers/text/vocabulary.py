"""The words of the notations: commands, operators, functions, letters, and what each stands for."""

from __future__ import annotations

import unicodedata

from lstmgen.algebra.functions import BY_COMMAND, BY_WORD

# How papers spell the functions of the table; commands that a text lacks the definition of, such
# as \\relu, are taken for these too.
SPELLINGS: dict[str, str] = {
    **{command: function.name for command, function in BY_COMMAND.items()},
    **{word: function.name for word, function in BY_WORD.items()},
    **{word: name for name, words in {
        "sigma": ("Sigmoid", "sgm", "sigmoidal"),
        "tanh": ("Tanh", "TanH"),
        "max": ("maximum",),
        "min": ("minimum",),
        "relu": ("RELU", "Relu", "rectifier"),
        "softplus": ("Softplus", "SoftPlus"),
        "hard_sigmoid": ("hardSigmoid", "HSigmoid", "hsigmoid"),
    }.items() for word in words},
}  # fmt: skip
LIBRARIES_DIFFER = frozenset({"hard_sigmoid"})

# What papers call otherwise, and why it is not read.
NOT_ELEMENT_WISE = {
    **dict.fromkeys(
        ("softmax", "Softmax", "sparsemax", "logsoftmax"),
        "takes all units together, and only element-wise functions are read",
    ),
    **dict.fromkeys(
        [
            "LN",
            "LayerNorm",
            "layernorm",
            "BN",
            "BatchNorm",
            "batchnorm",
            "RMSNorm",
            "rmsnorm",
            "norm",
            "Norm",
            "GroupNorm",
            "normalize",
        ],
        "is a normalisation: it takes all units together and has parameters that are not said; "
        "write it out, or leave it out",
    ),
    **dict.fromkeys(
        ("sum", "mean", "avg", "var", "std", "argmax", "argmin", "logsumexp", "tr", "trace", "det"),
        "takes all units together, and only element-wise functions are read",
    ),
    **dict.fromkeys(
        ("conv", "Conv", "Conv1d", "Conv2d", "conv2d"), "is a convolution, which is not read"
    ),
    **dict.fromkeys(
        ("dropout", "Dropout", "Bernoulli"), "is random; leave it out, the caller applies it"
    ),
    **dict.fromkeys(
        ("attention", "Attention", "Attn", "attn", "MLP", "FFN", "Linear", "LSTM", "GRU", "RNN"),
        "is a layer of its own; write its equations out",
    ),
    **dict.fromkeys(("outer", "kron"), "is an outer product, whose result is a matrix"),
    "vec": "makes a vector of a matrix, which is not read",
}
CONCATENATION = frozenset({"concat", "Concat", "CONCAT", "concatenate", "cat", "hstack", "vstack"})
MATRIX_PRODUCT = frozenset({"dot", "matmul", "mm"})
DIAGONAL = frozenset({"diag", "Diag"})

GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "vartheta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "pi",
        "varpi",
        "rho",
        "varrho",
        "tau",
        "upsilon",
        "phi",
        "varphi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Pi",
        "Sigma",
        "Upsilon",
        "Phi",
        "Psi",
        "Omega",
        "ell",
        "varsigma",
        "digamma",
    ]
)
GREEK_LETTERS = dict(
    zip(
        "αβγδϵζηθικλμνξπρςτυφχψωΓΔΘΛΞΠΣΥΦΨΩℓϑ",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "varsigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "Gamma",
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Pi",
            "Sigma",
            "Upsilon",
            "Phi",
            "Psi",
            "Omega",
            "ell",
            "vartheta",
        ],
        strict=True,
    )
)
ACCENTS = {
    **{a: a for a in ("tilde", "hat", "bar", "overline", "dot", "vec", "mathcal", "ddot")},
    "widetilde": "tilde",
    "overrightarrow": "forward",
    "overleftarrow": "backward",
    "widehat": "hat",
    "check": "hat",
    "widebar": "bar",
    "mathscr": "mathcal",
    "cal": "mathcal",
}
COMBINING = {"̃": "tilde", "̂": "hat", "̄": "bar", "̇": "dot", "̅": "overline", "⃗": "vec"}
BOLD = frozenset({"mathbf", "boldsymbol", "bm", "pmb", "bf", "bfseries", "symbf", "mathbold"})
FONTS = BOLD | frozenset(
    [
        "mathrm",
        "mathit",
        "mathsf",
        "mathtt",
        "mathnormal",
        "mathbb",
        "mathfrak",
        "mathds",
        "mathbbm",
        "operatorname",
        "rm",
        "it",
        "sf",
        "tt",
        "sl",
        "em",
        "symup",
    ]
)
SWITCHES = frozenset({"bf", "rm", "it", "sf", "tt", "sl", "em", "cal", "bfseries"})
UPRIGHT = frozenset({"mathrm", "operatorname", "mathsf", "mathtt", "rm", "sf", "tt", "symup"})
PROSE = frozenset(
    [
        "text",
        "textrm",
        "textit",
        "textsf",
        "texttt",
        "textnormal",
        "textbf",
        "mbox",
        "hbox",
        "intertext",
        "shortintertext",
        "noalign",
        "emph",
        "textsc",
        "textmd",
        "textup",
    ]
)

OPERATORS = {
    **dict.fromkeys(("odot", "bigodot", "circ", "hadamard", "Hadamard", "varodot"), "odot"),
    **dict.fromkeys(("ast", "star", "times", "bullet", "otimes"), ""),  # stand for themselves
    "cdot": "cdot",
    "cdotp": "cdot",
    "centerdot": "cdot",
    "div": "/",
}
RELATIONS = {
    **dict.fromkeys(
        [
            "coloneqq",
            "coloneq",
            "leftarrow",
            "longleftarrow",
            "Leftarrow",
            "gets",
            "triangleq",
            "equiv",
            "doteq",
            "defeq",
        ],
        "=",
    ),
    **{r: r for r in ("in", "approx", "sim", "propto", "simeq", "to", "rightarrow", "mapsto")},
    **dict.fromkeys(("le", "leq", "leqslant"), "<="),
    **dict.fromkeys(("ge", "geq", "geqslant"), ">="),
    **{"neq": "!=", "ne": "!=", "lt": "<", "gt": ">", "ll": "<", "gg": ">", "colon": ":"},
}
SYMBOLS = {
    "⊙": "odot", "∘": "odot", "⨀": "odot", "ʘ": "odot", "·": "cdot", "⋅": "cdot", "∙": "bullet",
    "•": "bullet", "×": "times", "⊗": "otimes", "∗": "*", "⋆": "star", "÷": "/", "*": "*",
    "/": "/", "@": "@",
    "+": "+", "-": "-",
}  # fmt: skip
UNKNOWN_COMMANDS = {
    "sum": "is a sum over an index, which is not read; write its terms out",
    "prod": "is a product over an index, which is not read; write its factors out",
    "int": "is an integral, which is not read",
    "partial": "is a derivative, which is not read",
    "nabla": "is a derivative, which is not read",
    "oplus": "may be a sum or a concatenation; write +, or [a, b]",
    "circledast": "is a convolution, which is not read",
    "infty": "is no number that a cell can compute with",
    "pm": "stands for two numbers; write two equations",
    **dict.fromkeys(
        ("cancel", "bcancel", "xcancel", "sout", "st", "cancelto"),
        "strikes something out; leave out what does not count",
    ),
    "mathbb": "is not part of the notation",
}
REMARKS = frozenset(
    [
        "where",
        "with",
        "and",
        "for",
        "if",
        "when",
        "with",
        "let",
        "the",
        "is",
        "are",
        "at",
        "all",
        "each",
        "every",
        "initially",
        "as",
        "in",
        "which",
        "otherwise",
        "else",
        "unless",
        "then",
        "so",
        "thus",
        "here",
        "using",
        "set",
        "given",
        "denotes",
        "update",
        "output",
        "input",
    ]
)
CONDITIONS = frozenset({"if", "when", "otherwise", "else", "unless", "whenever", "provided"})
TIME_WORDS = {
    **dict.fromkeys(("new", "next", "now", "cur", "curr", "current"), 0),
    **dict.fromkeys(("old", "prev", "previous", "last"), -1),
}

_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵗⁿᵏⁱᵀ"
LOWERED = dict(zip(_SUBSCRIPTS, "0123456789+-()aehijklmnoprstuvx", strict=True))
RAISED = dict(zip(_SUPERSCRIPTS, "0123456789+-()tnkiT", strict=True))


def unified(text: str) -> str:
    """The text with one character for each letter and sign; every position stays."""
    if text.isascii():
        return text.replace("\r", " ")
    return "".join(map(_plain, text))


_CHARACTERS = {
    "−": "-", "′": "'", "’": "'", "∆": "Δ", "ε": "ϵ", "\u00a0": " ", "\r": " ", "ϕ": "φ",
    "∗": "*", "≔": "=", "≜": "=", "≡": "=", "ℎ": "h", "\u2009": " ", "\u202f": " ", "\u200b": " ",
    "–": "-", "∣": "|", "〈": "⟨", "〉": "⟩", "\t": " ", "∥": "‖",
}  # fmt: skip


def _plain(character: str) -> str:
    """The letters of the mathematical alphabets as plain ones."""
    known = _CHARACTERS.get(character)
    if known is not None:
        return known
    if 0x1D400 <= ord(character) <= 0x1D7FF:
        folded = unicodedata.normalize("NFKC", character)
        return _CHARACTERS.get(folded, folded) if len(folded) == 1 else character
    return character
