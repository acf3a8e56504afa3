"""What the README shows is what there is."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_commands_exist():
    targets = set(re.findall(r"\bmake ([a-z-]+)", README))
    makefile = (ROOT / "Makefile").read_text()
    assert targets and all(f"\n{name}:" in makefile for name in targets)


def test_the_table_holds_the_counts():
    import nasnet_keras

    for name in ("NASNetMobile", "NASNetCIFAR"):
        count = getattr(nasnet_keras, name)(weights=None).count_params()
        assert f"`{name}`" in README and f"{count:,}" in README


def block(text):
    (found,) = [code for code in PYTHON if text in code]
    return found


def test_the_cells_own_genotype_and_operation(operations):
    """The README's operation of one's own, and the cell that uses it."""
    namespace = {}
    exec(block("def conv_5x5"), {"nasnet_keras": __import__("nasnet_keras")})
    code = block("from nasnet_keras import Block")
    code = code.replace(
        "nasnet_keras.NASNetMobile(",
        "__import__('nasnet_keras').NASNetCIFAR(cells_per_stack=1, ",
    )
    exec(code, namespace)
    assert namespace["model"].count_params() > 0


def test_cells_are_layers():
    import keras

    namespace = {
        "current": keras.Input((8, 8, 16)),
        "previous": keras.Input((8, 8, 16)),
    }
    exec(block("NormalCell(NASNET_A.normal"), namespace)
    assert namespace["x"].shape == (None, 4, 4, 4 * 64)


@pytest.mark.long
def test_the_networks():
    exec(block("model = nasnet_keras.NASNetMobile(weights=None)"), {})
