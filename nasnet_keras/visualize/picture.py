"""Makes the figure of a picture and writes its file."""

from __future__ import annotations

import contextlib
import io
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nasnet_keras.runs.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, GREY = "#111827", "#6b7280"


@contextlib.contextmanager
def picture(path: pathlib.Path) -> Iterator[Figure]:
    """Yields an empty figure and writes it, unless the block raises an error.

    Independent of the user's matplotlib settings and of pyplot. The file is
    replaced in one step.

    Raises:
        ImportError: If matplotlib is missing.
        ValueError: If `path` does not end in `.png` or `.svg`.
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".svg"):
        raise ValueError(
            "`path` of a picture must end in '.png' or '.svg'. Received the "
            f"suffix {path.suffix!r} in path={str(path)!r}"
        )
    try:
        import matplotlib.style
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib: pip install 'nasnet-keras[plot]'"
        ) from error
    # Without a fixed salt the same picture would have other bytes each time.
    settings = {"svg.hashsalt": "nasnet-keras", "svg.fonttype": "none"}
    with matplotlib.style.context(["default", settings]):
        figure = Figure(dpi=160)
        yield figure
        buffer = io.BytesIO()
        figure.savefig(
            buffer,
            format=suffix[1:],
            metadata={"Date": None} if suffix == ".svg" else None,
        )
    write_atomically(path, buffer.getvalue())
