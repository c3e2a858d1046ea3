"""What planning does beyond a plain translation.  Each pass can be switched off, for tests.

`python -m benchmarks.numpy_passes` measures what each of them buys.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passes:
    """Which passes run.

    Attributes:
        ahead: in a sum with a product of the loop, what is known before the loop is added up there.
        stacked: what is alike is one call over operands that lie one below the other.
        factors: what adjoints are multiplied by is computed for all steps of a block at once.
        direct: an adjoint that only hands on one other is left out; its user multiplies by both.
        blocks: steps are computed in blocks that stay in the cache.
    """

    ahead: bool = True
    stacked: bool = True
    factors: bool = True
    direct: bool = True
    blocks: bool = True


ALL = Passes()
"""What modules are made with."""
