"""How many blocks of a kernel fit on one multiprocessor, from what the compiler says it uses.

The rule is that of the CUDA occupancy calculator: a block needs warps, registers, shared memory
and a slot, each handed out in units, and the scarcest of the four decides.  The limits are those
of the table "Technical Specifications per Compute Capability" in the CUDA C++ Programming Guide;
the allocation units are those of the calculator (`cuda_occupancy.h`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lstmgen.errors import UnavailableError, UsageError

__all__ = ["LIMITS", "ArchitectureLimits", "Occupancy", "limits", "occupancy"]

WARP_SIZE = 32
REGISTER_FILES = 4
"""A multiprocessor has four register files; a warp takes all its registers from one of them."""


@dataclass(frozen=True, slots=True)
class ArchitectureLimits:
    """What one multiprocessor (SM) of an architecture offers; sizes in bytes unless named."""

    architecture: str
    registers_per_sm: int = 65536
    """32-bit registers."""
    registers_per_thread: int = 255
    register_unit: int = 256
    """Registers are handed to a warp in this unit."""
    warps_per_sm: int = 64
    blocks_per_sm: int = 32
    threads_per_block: int = 1024
    shared_per_sm: int = 0
    shared_per_block: int = 0
    """Most one block may ask for; above 48 KB only as dynamic memory, after opting in."""
    shared_reserved: int = 1024
    """What the system takes from shared memory for every resident block."""
    shared_unit: int = 128
    """Shared memory is handed to a block in this unit."""


_KB = 1024
LIMITS: tuple[ArchitectureLimits, ...] = (
    ArchitectureLimits("sm_80", shared_per_sm=164 * _KB, shared_per_block=163 * _KB),
    ArchitectureLimits("sm_90", shared_per_sm=228 * _KB, shared_per_block=227 * _KB),
    ArchitectureLimits("sm_100", shared_per_sm=228 * _KB, shared_per_block=227 * _KB),
    ArchitectureLimits(
        "sm_120",
        warps_per_sm=48,
        blocks_per_sm=24,
        shared_per_sm=100 * _KB,
        shared_per_block=99 * _KB,
    ),
)
"""The architectures that lstmgen reports on: Ampere, Hopper, Blackwell (data centre, desktop)."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What fits on one multiprocessor."""

    blocks: int
    """Resident blocks; 0 when one block does not fit."""
    warps: int
    """Resident warps."""
    fraction: float
    """Resident warps over the most the architecture holds."""
    limited_by: str
    """"warps", "blocks", "registers" or "shared memory": the scarcest, in this order when equal."""


def limits(arch: str) -> ArchitectureLimits:
    """The limits of `arch`, e.g. "sm_90"; a suffix ("sm_90a") changes nothing.

    Raises UsageError when `arch` is no architecture's name, UnavailableError when its limits are
    not in the table.
    """
    match = re.fullmatch(r"(sm_\d+)[af]?", arch)
    if match is None:
        raise UsageError(f"{arch!r} is no architecture; write sm_80, sm_90, sm_100 or sm_120")
    for entry in LIMITS:
        if entry.architecture == match[1]:
            return entry
    known = ", ".join(entry.architecture for entry in LIMITS)
    raise UnavailableError(f"no occupancy limits are recorded for {arch}; known are {known}")


def occupancy(
    arch: str, block_size: int, *, registers: int, static_shared: int = 0, dynamic_shared: int = 0
) -> Occupancy:
    """Blocks that one multiprocessor of `arch` can hold at once.

    `block_size` in threads, `registers` per thread, `static_shared` and `dynamic_shared` in bytes
    per block.  A block that can never be launched gives 0 blocks and names what it lacks.  Raises
    UsageError for a negative number or an empty block.
    """
    sm = limits(arch)
    if block_size < 1:
        raise UsageError(f"block_size must be at least 1 thread, not {block_size}")
    if min(registers, static_shared, dynamic_shared) < 0:
        raise UsageError("registers and shared memory cannot be negative")

    warps = -(-block_size // WARP_SIZE)
    by_warps = sm.warps_per_sm // warps if block_size <= sm.threads_per_block else 0
    room = {
        "warps": by_warps,
        "blocks": sm.blocks_per_sm,
        "registers": _by_registers(sm, warps, registers),
        "shared memory": _by_shared(sm, static_shared + dynamic_shared),
    }
    limited_by = min(room, key=lambda name: room[name])
    blocks = room[limited_by]
    return Occupancy(blocks, blocks * warps, blocks * warps / sm.warps_per_sm, limited_by)


def _by_registers(sm: ArchitectureLimits, warps: int, registers: int) -> int:
    if registers > sm.registers_per_thread:
        return 0
    if registers == 0:
        return sm.blocks_per_sm
    per_warp = _round_up(registers * WARP_SIZE, sm.register_unit)
    # The launch check assumes that all four files give registers at the same time, so a block's
    # last, incomplete round of four warps is charged as a full one.
    if per_warp * _round_up(warps, REGISTER_FILES) > sm.registers_per_sm:
        return 0
    warps_per_file = sm.registers_per_sm // REGISTER_FILES // per_warp
    return warps_per_file * REGISTER_FILES // warps


def _by_shared(sm: ArchitectureLimits, requested: int) -> int:
    if requested > sm.shared_per_block:
        return 0
    taken = _round_up(requested + sm.shared_reserved, sm.shared_unit)
    return sm.shared_per_sm // taken


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
