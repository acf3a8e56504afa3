"""What the machine can do at most: products of matrices, copies."""

import functools
import time


@functools.cache
def limits():
    """Returns billions of multiply-adds and gigabytes of copies a second."""
    return {"GMAC/s": _products(), "copied GB/s": _copies()}


def _best(function, repeats=5):
    function()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _products(side=2048):
    import numpy as np

    left = np.random.default_rng(0).normal(size=(side, side)).astype("float32")
    return round(side**3 / _best(lambda: left @ left) / 1e9, 1)


def _copies(megabytes=256):
    import numpy as np

    source = np.ones(megabytes * 2**18, "float32")
    target = np.empty_like(source)
    seconds = _best(lambda: np.copyto(target, source))
    return round(source.nbytes / seconds / 1e9, 1)
