"""Packages that not everyone needs: told before the work, not in the middle."""

import importlib.util

# Where a package is installed by another name than it is imported.
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}


def require(what, modules, extra):
    """Raises an error unless modules can be imported.

    Args:
        what: String, who needs them.
        modules: Sequence of their names.
        extra: String, the extra of this package that installs them.

    Raises:
        ImportError: With the command that installs them.
    """
    missing = [name for name in modules if not importlib.util.find_spec(name)]
    if missing:
        packages = ", ".join(PACKAGES.get(name, name) for name in missing)
        raise ImportError(
            f"{what} also needs {packages}: pip install 'nasnet-keras[{extra}]'"
        )
