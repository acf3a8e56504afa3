"""The golden figures of all presets, and the tables made of them.

    python pretrained/figures.py            # compares; prints what differs
    python pretrained/figures.py --write    # computes and writes

`nasnet_keras/presets/figures.json` holds parameters and multiply-adds of each
preset, computed from the networks. The table in `docs/networks.md` and the
cards in this folder are written from it and from `nasnet_keras.presets`; a test
compares all three. It builds every network without drawing weights: three
minutes on two cores.
"""

import json
import pathlib
import sys

from absl import app, flags

from nasnet_keras.presets import PRESETS, list_presets
from nasnet_keras.presets.tables import presets_table

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
FIGURES = ROOT / "nasnet_keras" / "presets" / "figures.json"
PAGE = ROOT / "docs" / "networks.md"
BEGIN = "<!-- presets: written by pretrained/figures.py -->"
END = "<!-- presets: end -->"


def compute(name):
    """Returns parameters and multiply-adds of a preset's network."""
    import keras
    import numpy as np

    from nasnet_keras import from_preset
    from nasnet_keras.summary import totals

    # Drawing random weights, which are not used, takes most of the time.
    keras.initializers.VarianceScaling.__call__ = (
        lambda self, shape, dtype=None: np.zeros(shape, dtype or "float32")
    )
    model = from_preset(name, weights=None)
    trainable = sum(
        int(np.prod(weight.shape)) for weight in model.trainable_weights
    )
    parameters, macs = totals(model)
    return {
        "parameters": parameters,
        "trainable": trainable,
        "multiply_adds": macs,
    }


def page_with(table, page):
    """Returns a page's text with the table between its marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def cards():
    """Returns a dictionary: file name -> text of each card of weights."""
    from nasnet_keras.presets.cards import weights_card

    return {
        f"{name}_{weights}.md": weights_card(preset, weights)
        for name, preset in PRESETS.items()
        for weights in preset.weights
    }


def files(figures):
    """Returns a dictionary: path -> text of all that is written."""
    table = presets_table(figures)
    written = {FIGURES: json.dumps(figures, indent=1) + "\n"}
    written[PAGE] = page_with(table, PAGE.read_text())
    for name, text in cards().items():
        written[HERE / name] = text
    return written


def main(argv):
    del argv
    figures = {}
    for name in list_presets(test_sized=True):
        figures[name] = compute(name)
        print(f"{name:22} {figures[name]}", flush=True)
    differing = [
        path
        for path, text in files(figures).items()
        if not path.exists() or path.read_text() != text
    ]
    if flags.FLAGS.write:
        for path, text in files(figures).items():
            path.write_text(text)
    for path in differing:
        print(f"{path.relative_to(ROOT)} differs")
    return int(bool(differing) and not flags.FLAGS.write)


if __name__ == "__main__":
    flags.DEFINE_bool("write", False, "write the files")
    app.run(lambda argv: sys.exit(main(argv)))
