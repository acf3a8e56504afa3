"""Provenance of a result: versions, time, machine."""

import importlib
import importlib.metadata
import os
import platform
import time
from typing import Any

import keras

import nasnet_keras


def provenance(*packages: str) -> dict[str, Any]:
    """Returns versions, backend, time and machine, for a JSON file.

    Args:
        packages: Names of further installed distributions.
    """
    backend = keras.backend.backend()
    versions = {
        name.replace("-", "_"): importlib.metadata.version(name)
        for name in packages
    }
    return {
        "nasnet_keras": nasnet_keras.__version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        **versions,
        "backend": backend,
        backend: importlib.import_module(backend).__version__,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": f"{platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores",
    }
