"""How many blocks fit on a multiprocessor, against worked examples and NVIDIA's own calculator."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from needs import missing

from lstmgen.cuda.compiler.nvrtc import Nvrtc
from lstmgen.cuda.compiler.occupancy import LIMITS, limits, occupancy
from lstmgen.errors import UnavailableError, UsageError


@pytest.mark.parametrize(
    ("arch", "block", "uses", "blocks", "limited_by"),
    [
        ("sm_90", 256, {"registers": 32}, 8, "warps"),  # 64 warps / 8
        ("sm_120", 256, {"registers": 32}, 6, "warps"),  # 48 warps / 8
        ("sm_90", 32, {"registers": 16}, 32, "blocks"),
        ("sm_120", 32, {"registers": 16}, 24, "blocks"),
        ("sm_90", 256, {"registers": 128}, 2, "registers"),  # 65536 / (128 * 256)
        ("sm_90", 256, {"registers": 33}, 6, "registers"),  # 40 after rounding: 12 warps a file
        ("sm_90", 256, {"registers": 32, "dynamic_shared": 227 * 1024}, 1, "shared memory"),
        ("sm_80", 256, {"registers": 32, "dynamic_shared": 40 * 1024}, 4, "shared memory"),
        ("sm_120", 256, {"registers": 32, "dynamic_shared": 227 * 1024}, 0, "shared memory"),
        ("sm_90", 1024, {"registers": 65}, 0, "registers"),
        ("sm_90", 1025, {"registers": 16}, 0, "warps"),
    ],
)
def test_occupancy(
    arch: str, block: int, uses: dict[str, int], blocks: int, limited_by: str
) -> None:
    result = occupancy(arch, block, **uses)
    assert (result.blocks, result.limited_by) == (blocks, limited_by)
    assert result.warps == blocks * -(-block // 32)
    assert result.fraction == result.warps / limits(arch).warps_per_sm


def test_occupancy_refuses_nonsense() -> None:
    with pytest.raises(UsageError, match="block_size"):
        occupancy("sm_90", 0, registers=16)
    with pytest.raises(UsageError, match="negative"):
        occupancy("sm_90", 32, registers=-1)
    with pytest.raises(UnavailableError, match="sm_75"):
        occupancy("sm_75", 32, registers=16)


CALCULATOR = r"""
#include <cstdio>
#include "cuda_occupancy.h"
int main() {
  int major, minor, warps, block, registers;
  size_t per_sm, per_block, static_shared, dynamic_shared;
  while (scanf("%d %d %d %zu %zu %d %d %zu %zu", &major, &minor, &warps, &per_sm, &per_block,
               &block, &registers, &static_shared, &dynamic_shared) == 9) {
    cudaOccDeviceProp device;
    device.computeMajor = major; device.computeMinor = minor;
    device.maxThreadsPerBlock = 1024; device.maxThreadsPerMultiprocessor = warps * 32;
    device.regsPerBlock = 65536; device.regsPerMultiprocessor = 65536; device.warpSize = 32;
    device.sharedMemPerBlock = 49152; device.sharedMemPerMultiprocessor = per_sm;
    device.numSms = 1; device.sharedMemPerBlockOptin = per_block;
    device.reservedSharedMemPerBlock = 1024;
    cudaOccFuncAttributes kernel;
    kernel.maxThreadsPerBlock = 1024; kernel.numRegs = registers;
    kernel.sharedSizeBytes = static_shared;
    kernel.maxDynamicSharedSizeBytes = per_block - static_shared;
    kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN; kernel.numBlockBarriers = 1;
    cudaOccDeviceState state; cudaOccResult result;
    const cudaOccError status = cudaOccMaxActiveBlocksPerMultiprocessor(
        &result, &device, &kernel, &state, block, dynamic_shared);
    printf("%d\n", status ? -int(status) : result.activeBlocksPerMultiprocessor);
  }
}
"""


def test_occupancy_agrees_with_nvidias_calculator(tmp_path: Path) -> None:
    """The calculator in the CUDA headers, compiled by the host's compiler, is the reference."""
    try:
        headers = Nvrtc.load().include
    except UnavailableError as error:
        missing(error)
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        missing(UnavailableError("no C++ compiler"))
    (tmp_path / "calculator.cpp").write_text(CALCULATOR)
    include = [f"-I{folder}" for folder in headers]
    program = tmp_path / "calculator"
    build = [compiler, "-w", "-o", str(program), str(tmp_path / "calculator.cpp"), *include]
    subprocess.run(build, check=True)
    cases = [
        (sm, block, registers, static, dynamic)
        for sm in LIMITS
        for block in (1, 32, 96, 128, 224, 256, 320, 512, 1000, 1024)
        for registers in (8, 32, 33, 40, 64, 65, 72, 96, 128, 168, 200, 255)
        for static, dynamic in ((0, 0), (1, 0), (1024, 0), (1024, 15000), (40000, 9001), (0, 99000))
    ]
    text = "".join(
        f"{int(sm.architecture[3:]) // 10} {int(sm.architecture[3:]) % 10} {sm.warps_per_sm} "
        f"{sm.shared_per_sm} {sm.shared_per_block} {block} {registers} {static} {dynamic}\n"
        for sm, block, registers, static, dynamic in cases
    )
    out = subprocess.run([str(program)], input=text, text=True, capture_output=True, check=True)
    expected = [int(line) for line in out.stdout.split()]
    ours = [
        occupancy(
            sm.architecture, block, registers=r, static_shared=static, dynamic_shared=dynamic
        ).blocks
        for sm, block, r, static, dynamic in cases
    ]
    assert len(expected) == len(cases)
    assert ours == expected
