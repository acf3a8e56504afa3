"""What a path holds: weights that can be loaded, or what else.

Files are told apart by their content; names are often wrong.
"""

import os
import pathlib
import re
import zipfile

from nasnet_keras.runs.files import DAMAGED_ZIP

# What each kind of file that is not loaded begins with.
SIGNATURES = (
    (rb"\s*(<!doctype html|<html)", "web page"),
    (rb"\s*<\?xml(?s:.*)<net ", "exported OpenVINO model"),
    (rb"\s*<\?xml", "web page"),
    (rb"version https://git-lfs", "pointer of Git LFS"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf", "compressed archive"),
    (rb"(?s:.{257})ustar", "compressed archive"),
    (rb"\x80[\x02-\x05]", "PyTorch or pickle file"),
    (rb"\x93NUMPY", "NumPy file"),
    (rb"PK", "damaged zip archive"),
    (rb"(?s:.{4})TFL3", "exported LiteRT model"),
    (rb"(?s:.{6})\x00\x00\{", "safetensors file"),
    (rb"\x08[\x01-\x20]\x12", "exported ONNX model"),
)
HDF5 = b"\x89HDF\r\n\x1a\n"
EXPORTED = "It cannot be loaded back: use the .keras file that was exported."
REMEDIES = {
    "web page": "The download went wrong: use the address of the file itself.",
    "pointer of Git LFS": "Fetch the file itself with `git lfs pull`.",
    "compressed archive": "Unpack it, then name a file or checkpoint in it.",
    "empty file": "Download or copy it again.",
    "damaged zip archive": "Download or copy it again.",
}
LOADED = (
    "Weights are loaded from files of Keras (.keras, .weights.h5, .h5) and "
    "from TF-slim checkpoints."
)
CHECKPOINT_FILES = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")


def locate(weights: str | os.PathLike[str]) -> str:
    """Returns the path of a weights file, or the prefix of a checkpoint.

    Args:
        weights: Path of a file of Keras; or the prefix of a TF-slim checkpoint,
            one of its files, or the file `checkpoint` beside them.

    Raises:
        ValueError: If there is nothing, or something else: the message says
            what it is and what to do.
    """
    path: str = os.fspath(weights)
    if os.path.basename(path) == "checkpoint" and os.path.isfile(path):
        path = _newest(pathlib.Path(path))
    prefix = CHECKPOINT_FILES.sub("", path)
    if is_checkpoint(prefix):
        return prefix
    if prefix != path:
        raise ValueError(
            f"`{path}` is a part of a checkpoint whose other files are "
            f"missing: put {prefix}.index and {prefix}.data-* into one folder."
        )
    if os.path.isdir(path):
        raise ValueError(_describe_folder(pathlib.Path(path)))
    if not os.path.isfile(path):
        raise ValueError(
            "`weights` must be None, the path of a weights file, or the prefix "
            "of a TF-slim checkpoint (there is a file PREFIX.index). Weights "
            "that have names, such as 'imagenet', belong to presets: see "
            "`nasnet_keras.NASNetMobile` and `nasnet_keras.from_preset`. "
            f"Received: weights={path!r}"
        )
    kind = _other_kind(path)
    if kind is not None:
        exported = EXPORTED if "exported" in kind else LOADED
        article = "an" if kind[0] in "aeio" else "a"
        raise ValueError(
            f"`{path}` is {article} {kind}, not weights that can be loaded. "
            f"{REMEDIES.get(kind, exported)}"
        )
    return path


def is_checkpoint(prefix: str) -> bool:
    """Whether there is a checkpoint of that prefix."""
    return os.path.isfile(f"{prefix}.index")


def _newest(path):
    """Returns the prefix that a file named `checkpoint` names."""
    text = path.read_text(errors="replace")
    found = re.search(r'^model_checkpoint_path: "(.*)"', text, re.MULTILINE)
    if found is None:
        raise ValueError(
            f"`{path}` names no checkpoint: pass the prefix of one, such as "
            f"{path.with_name('model.ckpt')}."
        )
    named = path.parent / found[1]  # An absolute path stays as it is.
    # The folder may have been moved since.
    beside = path.parent / named.name
    for prefix in (named, beside):
        if is_checkpoint(str(prefix)):
            return str(prefix)
    raise ValueError(
        f"`{path}` names the checkpoint {found[1]}, of which there is no "
        f"{beside}.index: put its files beside it."
    )


def _describe_folder(path):
    if (path / "saved_model.pb").is_file():
        return f"`{path}` is an exported TensorFlow SavedModel. {EXPORTED}"
    patterns = ("*.index", "*.keras", "*.h5")
    files = sorted(p for pattern in patterns for p in path.glob(pattern))
    if not files:
        return f"`{path}` is a folder without weights. {LOADED}"
    names = ", ".join(str(file) for file in files[:5])
    return f"`{path}` is a folder. Name a file in it: {names}"


def _other_kind(path):
    """Describes a file that holds no weights of Keras; else `None`."""
    with open(path, "rb") as file:
        start = file.read(1024)
    if not start:
        return "empty file"
    if start.startswith(HDF5):
        return None
    if zipfile.is_zipfile(path):
        return _other_zip(path)
    for pattern, kind in SIGNATURES:
        if re.match(pattern, start, re.IGNORECASE):
            return kind
    return "file of an unknown kind"


def _other_zip(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except DAMAGED_ZIP:
        return "damaged zip archive"
    if "model.weights.h5" in names:
        return None
    if any(name.endswith("data.pkl") for name in names):
        return "PyTorch or pickle file"
    if any(name.endswith(".npy") for name in names):
        return "NumPy file"
    return "zip archive without model.weights.h5"
