"""The folder of a run: a search's, a training's."""

import contextlib

from nasnet_keras.quiet import chatter_to

LOG = "log"


@contextlib.contextmanager
def run_folder(directory, marker, what):
    """Makes the folder of a run; what libraries chatter goes to its log.

    A run that ends before it has written anything leaves no folder behind.

    Args:
        directory: Path, new or of an earlier run.
        marker: String, the file by which such a folder is known.
        what: String, what runs: "search", "training".

    Raises:
        ValueError: If it is a file, or a folder that holds something else.
    """
    _check(directory, marker, what)
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with chatter_to(directory / LOG):
            yield
    finally:
        if {path.name for path in directory.iterdir()} <= {LOG}:
            (directory / LOG).unlink(missing_ok=True)
            directory.rmdir()


def _check(directory, marker, what):
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"--directory {directory} is a file, not a folder.")
    if directory.is_dir():
        names = {path.name for path in directory.iterdir()}
        if names - {LOG} and marker not in names:
            raise ValueError(
                f"--directory {directory} holds other files "
                f"({', '.join(sorted(names)[:3])}, ...) and no {what}. "
                "Nothing was changed. Give a new folder."
            )
