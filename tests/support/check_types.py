"""Runs mypy on `nasnet_keras`, with `search/` as `nasnet_keras.search`.

    python -m tests.support.check_types

mypy ignores `package_dir` of setup.py and would not find `nasnet_keras.search`.
So it reads a folder of links with the layout of the installed package.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Folders of the repository -> their places in the package.
PLACES = {
    "search": "nasnet_keras/search",
    "pretrained/shipped": "nasnet_keras/pretrained",
}


def link_package(folder):
    """Makes links in `folder` to all parts of the package."""
    package = folder / "nasnet_keras"
    package.mkdir()
    for path in (ROOT / "nasnet_keras").iterdir():
        if path.name != "__pycache__":
            (package / path.name).symlink_to(path)
    for source, place in PLACES.items():
        (folder / place).symlink_to(ROOT / source)


def main():
    """Returns mypy's exit status. It keeps no cache: links change under it."""
    options = [
        "--package=nasnet_keras",
        f"--config-file={ROOT / 'pyproject.toml'}",
        f"--cache-dir={os.devnull}",
    ]
    command = [sys.executable, "-m", "mypy", *options, *sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        link_package(pathlib.Path(folder))
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
