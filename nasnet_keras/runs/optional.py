"""Optional packages, checked before the work begins."""

import importlib.util
from collections.abc import Sequence

# Module -> package, where their names differ.
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}


def require(what: str, modules: Sequence[str], extra: str) -> None:
    """Raises an error unless modules can be imported.

    Args:
        what: String, what needs them; starts the message.
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
