"""Provenance of a result: versions, time, machine."""

import contextlib
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
        packages: Names of further distributions; those that are not
            installed under this name are left out.
    """
    backend = keras.backend.backend()
    versions = {}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            version = importlib.metadata.version(name)
            versions[name.replace("-", "_")] = version
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
