"""`.keras` files: what they hold, and what their models take and give."""

from nasnet_keras.model_files.files import (
    ABOUT,
    load_model,
    load_with_preset,
    read_about,
    save_model,
)

__all__ = [
    "ABOUT",
    "load_model",
    "load_with_preset",
    "read_about",
    "save_model",
]
