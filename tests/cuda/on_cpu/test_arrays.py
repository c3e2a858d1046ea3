"""The strict stand-in for cupy's arrays: CuPy's semantics, counted, and nothing beyond the list.

No C++ compiler is needed here.
"""

from __future__ import annotations

import numpy as np
import pytest

from lstmgen.cuda.on_cpu import emulated_cupy


@pytest.fixture
def cp():
    return emulated_cupy(sanitize=False)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_attributes_are_those_of_the_same_numpy_array(cp, rng):
    host = rng.standard_normal((3, 4, 5)).astype(np.float32)
    array = cp.asarray(host)
    for view, expected in (
        (array, host),
        (array.T, host.T),
        (array[1:, ::2], host[1:, ::2]),
        (array.transpose(1, 0, 2), host.transpose(1, 0, 2)),
        (array.transpose((2, 0, 1)), host.transpose((2, 0, 1))),
        (array.reshape(12, 5), host.reshape(12, 5)),
        (array.reshape((4, -1)), host.reshape((4, -1))),
        (array[..., 2], host[..., 2]),
        (array[None, 1], host[None, 1]),
        (array[-1, 2, 3], host[-1, 2, 3]),
    ):
        for name in ("shape", "dtype", "ndim", "size", "nbytes", "itemsize", "strides"):
            assert getattr(view, name) == getattr(expected, name), name
        assert view.flags.c_contiguous == np.asarray(expected).flags.c_contiguous
        assert view.flags.f_contiguous == np.asarray(expected).flags.f_contiguous
        assert np.array_equal(view.get(), expected)
    assert len(array) == 3
    assert [part.get().tolist() for part in array] == host.tolist()
    assert array[1:].data.ptr == array.data.ptr + array.strides[0]
    assert array.data.ptr % 512 == 0


def test_views_share_memory_and_copies_do_not(cp):
    array = cp.zeros((4, 6), np.float64)
    array[1, 2:4] = 7.0
    array[2] = array[1] * 2
    array.T[5] = 1
    expected = np.zeros((4, 6))
    expected[1, 2:4] = 7
    expected[2] = expected[1] * 2
    expected.T[5] = 1
    assert np.array_equal(array.get(), expected)
    twin, transposed = array.copy(), array.T.copy()
    array.fill(3)
    assert np.array_equal(twin.get(), expected)
    assert np.array_equal(transposed.get(), expected.T)
    assert transposed.flags.c_contiguous


def test_a_reshape_that_copies_is_counted_and_one_that_does_not_is_not(cp):
    array = cp.zeros((4, 6), np.float32)
    with cp.counters.during() as counts:
        array.reshape(24)
    assert counts["allocations"] == 0
    with cp.counters.during() as counts:
        array.T.reshape(24)
    assert counts["allocations"] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fresh_memory_is_nan(cp, dtype):
    assert np.isnan(cp.empty((3, 5), dtype).get()).all()
    assert np.isnan(cp.empty_like(cp.zeros((2, 2), dtype)).get()).all()


def test_fresh_integers_are_a_pattern(cp):
    assert (cp.empty(4, np.int32).get() == np.int32(-1515870811)).all()


def test_making_arrays(cp, rng):
    host = rng.standard_normal((2, 3))
    assert cp.zeros((2, 3)).dtype == np.float64
    assert np.array_equal(cp.ones((2, 3), np.float32).get(), np.ones((2, 3), np.float32))
    assert np.array_equal(cp.full((2,), 2.5, np.float32).get(), np.full(2, 2.5, np.float32))
    assert cp.full(2, 7).dtype == np.int64
    assert cp.zeros((2, 3), np.float32, order="F").flags.f_contiguous
    assert cp.asarray(host.T).flags.f_contiguous
    assert cp.ascontiguousarray(host.T).flags.c_contiguous
    array = cp.asarray(host)
    assert cp.asarray(array) is array
    assert cp.array(array) is not array
    assert cp.asarray(array, np.float32).dtype == np.float32
    assert np.array_equal(cp.zeros_like(array).get(), np.zeros((2, 3)))
    assert cp.array([1, 2, 3]).dtype == np.int64
    assert cp.float32 is np.float32 and cp.dtype("float32") == np.float32
    with pytest.raises(ValueError, match="negative"):
        cp.empty((2, -1))
    with pytest.raises(ValueError, match="Unsupported dtype"):
        cp.asarray(np.array(["a"]))


def test_operators_follow_numpy(cp, rng):
    a, b = (rng.standard_normal((3, 4)).astype(np.float32) for _ in range(2))
    x, y = cp.asarray(a), cp.asarray(b)
    for got, expected in (
        (x + y, a + b),
        (x - y, a - b),
        (x * y, a * b),
        (x / y, a / b),
        (2 * x, 2 * a),
        (1.0 - x, 1.0 - a),
        (x * np.float64(2), a * np.float64(2)),
        (np.float32(3) * x, np.float32(3) * a),
        (-x, -a),
        (abs(x), abs(a)),
        (x**2, a**2),
        (x > y, a > b),
        (x == y, a == b),
    ):
        assert got.dtype == expected.dtype
        assert np.array_equal(got.get(), expected)
    address = x.data.ptr
    x += y
    x *= 0.5
    assert x.data.ptr == address
    assert np.array_equal(x.get(), ((a + b) * np.float32(0.5)))


def test_functions_follow_numpy(cp, rng):
    a, b = (rng.standard_normal((3, 4)) for _ in range(2))
    x, y, out = cp.asarray(a), cp.asarray(b), cp.empty((3, 4))
    for name in ("add", "subtract", "multiply"):
        assert np.array_equal(getattr(cp, name)(x, y).get(), getattr(np, name)(a, b))
        assert getattr(cp, name)(x, 2.0, out=out) is out
        assert np.array_equal(out.get(), getattr(np, name)(a, 2.0))
    joined = cp.empty((3, 8))
    assert cp.concatenate([x, y], axis=1, out=joined) is joined
    assert np.array_equal(joined.get(), np.concatenate([a, b], axis=1))
    assert np.array_equal(cp.concatenate((x, y)).get(), np.concatenate((a, b)))
    cp.copyto(out, x)
    assert np.array_equal(out.get(), a)
    cp.copyto(out, 1)
    assert np.array_equal(out.get(), np.ones((3, 4)))
    total = cp.empty(4)
    assert x.sum(axis=0, out=total) is total
    assert np.array_equal(total.get(), a.sum(axis=0))
    assert np.array_equal(x.sum().get(), a.sum())
    assert np.array_equal(cp.sum(x, axis=1, keepdims=True).get(), a.sum(axis=1, keepdims=True))
    product = cp.empty((3, 3))
    assert cp.matmul(x, y.T, out=product) is product
    assert np.allclose(product.get(), a @ b.T, rtol=1e-15)
    assert np.array_equal(x.astype(np.float32).get(), a.astype(np.float32))


def test_transfers(cp, rng):
    host = rng.standard_normal((2, 3)).astype(np.float32)
    array = cp.empty((2, 3), np.float32)
    array.set(host)
    assert np.array_equal(cp.asnumpy(array), host)
    target = np.empty((2, 3), np.float32)
    assert array.get(out=target) is target
    assert np.array_equal(target, host)
    with pytest.raises(TypeError, match="float64"):
        array.set(host.astype(np.float64))
    with pytest.raises(ValueError, match="Shape mismatch"):
        array.set(host.T)
    with pytest.raises(TypeError, match=r"Only numpy\.ndarray"):
        array.set(array)
    with pytest.raises(RuntimeError, match="non-contiguous"):
        cp.empty((2, 6), np.float32)[:, ::2].set(host)


@pytest.mark.parametrize(
    "operation",
    [
        lambda cp, x, a: x + a,
        lambda cp, x, a: a + x,
        lambda cp, x, a: cp.add(x, a),
        lambda cp, x, a: cp.multiply(x, x, out=a),
        lambda cp, x, a: cp.matmul(x, a),
        lambda cp, x, a: cp.concatenate([x, a]),
        lambda cp, x, a: cp.copyto(x, a),
        lambda cp, x, a: cp.copyto(a, x),
        lambda cp, x, a: cp.cublas.gemm("N", "N", x, a),
        lambda cp, x, a: x.__setitem__(0, a[0]),
        lambda cp, x, a: x.__iadd__(a),
        lambda cp, x, a: a.__setitem__(slice(None), x),
        lambda cp, x, a: np.asarray(x),
        lambda cp, x, a: np.add(x, x),
        lambda cp, x, a: np.concatenate([x, x]),
        lambda cp, x, a: x.fill(a),
        lambda cp, x, a: x.sum(axis=0, out=a),
    ],
)
def test_a_numpy_array_in_an_operation_is_a_type_error(cp, operation):
    host = np.ones((3, 3))
    array = cp.asarray(host)
    with pytest.raises(TypeError):
        operation(cp, array, host)
    assert np.array_equal(array.get(), host)


def test_what_is_not_there_says_so(cp):
    with pytest.raises(AttributeError, match=r"has no cupy\.linalg"):
        cp.linalg  # noqa: B018
    with pytest.raises(AttributeError, match=r"has no ndarray\.cumsum"):
        cp.zeros(3).cumsum  # noqa: B018
    with pytest.raises(AttributeError, match=r"cupy\.cuda\.runtime\.memcpy"):
        cp.cuda.runtime.memcpy  # noqa: B018
    with pytest.raises(TypeError, match="as indices"):
        cp.zeros(3)[[0, 1]]
    with pytest.raises(TypeError, match="as indices"):
        cp.zeros(3)[True]
    with pytest.raises(TypeError, match="empty, zeros"):
        cp.ndarray((3,))


def test_synchronisations_are_counted(cp):
    array = cp.ones(1)
    for wait in (
        array.get,
        lambda: cp.asnumpy(array),
        lambda: bool(array),
        lambda: float(array),
        lambda: int(array),
        array.item,
        array.tolist,
        lambda: repr(array),
        cp.cuda.Device().synchronize,
        cp.cuda.get_current_stream().synchronize,
        cp.cuda.Event().synchronize,
    ):
        with cp.counters.during() as counts:
            wait()
        assert counts["synchronisations"] == 1
    with cp.counters.during() as counts:
        array += 1
        array[0] = 2
        cp.add(array, array, out=array)
    assert counts == {
        "launches": 0, "products": 0, "operations": 3, "allocations": 0, "uploads": 0,
        "synchronisations": 0,
    }  # fmt: skip


def test_allocations_and_products_are_counted(cp):
    a, out = cp.ones((4, 4)), cp.empty((4, 4))
    for expected, do in (
        ((0, 1), lambda: cp.matmul(a, a, out=out)),
        ((1, 1), lambda: cp.matmul(a, a)),
        ((0, 1), lambda: cp.cublas.gemm("N", "T", a, a, out=out, beta=1.0)),
        ((1, 1), lambda: cp.cublas.gemm("N", "T", a, a)),
        ((1, 1), lambda: cp.matmul(a[:, :2], a[:2], out=out)),  # CuPy copies a[:, :2]
        ((1, 0), lambda: a + a),
        ((0, 0), lambda: a[1:3]),
    ):
        with cp.counters.during() as counts:
            do()
        assert (counts["allocations"], counts["products"]) == expected
    cp.counters.reset()
    assert set(cp.counters.snapshot().values()) == {0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transa", "NT")
@pytest.mark.parametrize("transb", "NT")
@pytest.mark.parametrize("layout", ["CCC", "FCC", "CFF", "FFF"])
def test_gemm(cp, rng, dtype, transa, transb, layout):
    a = rng.standard_normal((5, 3) if transa == "N" else (3, 5)).astype(dtype)
    b = rng.standard_normal((3, 4) if transb == "N" else (4, 3)).astype(dtype)
    c = rng.standard_normal((5, 4)).astype(dtype)
    expected = (a if transa == "N" else a.T) @ (b if transb == "N" else b.T)
    x, y, out = (cp.asarray(np.asarray(v, order=o)) for v, o in zip((a, b, c), layout, strict=True))
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    fresh = cp.cublas.gemm(transa, transb, x, y)
    assert fresh.flags.f_contiguous
    assert np.allclose(fresh.get(), expected, rtol=tolerance, atol=tolerance)
    assert cp.cublas.gemm(transa, transb, x, y, out=out, alpha=0.5, beta=2.0) is out
    assert np.allclose(out.get(), 0.5 * expected + 2 * c, rtol=tolerance, atol=tolerance)
    out.fill(np.nan)
    cp.cublas.gemm(transa, transb, x, y, out=out)
    assert np.allclose(out.get(), expected, rtol=tolerance, atol=tolerance)


def test_gemm_refuses_what_cupy_would_copy_or_misread(cp):
    a, b, out = cp.ones((4, 4)), cp.ones((4, 4)), cp.ones((4, 4))
    with pytest.raises(ValueError, match=r"a .* contiguous in neither order"):
        cp.cublas.gemm("N", "N", cp.ones((4, 8))[:, :4], b)
    with pytest.raises(ValueError, match=r"out .* contiguous in neither order"):
        cp.cublas.gemm("N", "N", a, b, out=cp.ones((4, 8))[:, :4])
    with pytest.raises(ValueError, match=r"op\(a\) has shape"):
        cp.cublas.gemm("N", "N", a, cp.ones((3, 4)))
    with pytest.raises(ValueError, match="out has shape"):
        cp.cublas.gemm("N", "N", a, b, out=cp.ones((4, 5)))
    with pytest.raises(ValueError, match="overlaps"):
        cp.cublas.gemm("N", "N", a, b, out=a)
    with pytest.raises(ValueError, match="dimensions"):
        cp.cublas.gemm("N", "N", cp.ones(4), b)
    with pytest.raises(TypeError, match="b is float32"):
        cp.cublas.gemm("N", "N", a, cp.ones((4, 4), np.float32))
    with pytest.raises(TypeError, match="out is float32"):
        cp.cublas.gemm("N", "N", a, b, out=cp.ones((4, 4), np.float32))
    with pytest.raises(TypeError, match="not float32 or float64"):
        cp.cublas.gemm("N", "N", cp.ones((4, 4), np.int32), cp.ones((4, 4), np.int32))
    with pytest.raises(TypeError, match="'N' or 'T'"):
        cp.cublas.gemm("H", "N", a, b, out=out)
    with pytest.raises(TypeError, match=r"must be a cupy\.ndarray"):
        cp.cublas.gemm("N", "N", a, np.ones((4, 4)))


def test_device_streams_and_events(cp):
    device = cp.cuda.Device()
    assert device.id == 0
    assert device.compute_capability == "90"
    assert device.attributes["MultiProcessorCount"] == 132
    assert cp.cuda.runtime.getDeviceCount() == 1
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError):
        cp.cuda.Device(1)
    null = cp.cuda.get_current_stream()
    assert null.ptr == 0
    with cp.cuda.Stream(non_blocking=True) as stream:
        assert cp.cuda.get_current_stream() is stream
        start, end = cp.cuda.Event(), cp.cuda.Event()
        start.record()
        stream.record(end)
        assert cp.cuda.get_elapsed_time(start, end) >= 0
    assert cp.cuda.get_current_stream() is null
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError):
        cp.cuda.get_elapsed_time(start, cp.cuda.Event())
