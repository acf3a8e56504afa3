"""The machine: its processor, the most it can do, and what made a result."""

import pathlib
import platform
import time


def origin(*packages):
    """Returns machine, limits, versions and time, for a JSON file.

    Args: Those of `provenance`.
    """
    from nasnet_keras.runs.provenance import provenance

    return {
        "machine": {"processor": processor(), **limits()},
        "produced_by": provenance(*packages),
    }


def processor():
    """Returns the name of the processor's model."""
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [x.split(":", 1)[1] for x in lines if x.startswith("model name")]
    return names[0].strip() if names else platform.processor()


def limits():
    """Returns billions of multiply-adds and gigabytes of copies a second.

    Those of products of matrices in single precision, and of large copies; a
    byte that is copied counts once.
    """
    return {"GMAC/s": _products(), "copied GB/s": _copies()}


def least(multiply_adds, numbers, machine):
    """Returns the least milliseconds in which a machine could compute.

    The multiply-adds at its rate, or what is read and written at its rate of
    copying, whichever is longer.

    Args:
        multiply_adds: Integer.
        numbers: Integer, how many numbers in single precision are read and
            written.
        machine: Dictionary, see `limits`.
    """
    # A copy reads and writes each byte that is counted.
    copied = numbers * 4 / 2 / 1e9 / machine["copied GB/s"]
    return 1000 * max(multiply_adds / 1e9 / machine["GMAC/s"], copied)


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
