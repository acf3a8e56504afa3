"""Pages of documentation at full size, and what their prose claims.

`test_docs.py` runs every code block, with small networks.
"""

import re

import pytest

import nasnet_keras
from tests.support.pages import ROOT, find_block, text_of

README = text_of("README.md")
NETWORKS = "docs/networks.md"


def test_commands_exist():
    targets = set(re.findall(r"\bmake ([a-z-]+)", README))
    makefile = (ROOT / "Makefile").read_text()
    assert targets and all(f"\n{name}:" in makefile for name in targets)


def test_the_cells_own_genotype_and_operation(operations):
    """The page's operation of one's own, and the cell that uses it."""
    namespace = {"nasnet_keras": nasnet_keras}
    exec(find_block(NETWORKS, "def conv_5x5"), namespace)
    code = find_block(NETWORKS, "from nasnet_keras import Block")
    code = code.replace(
        "nasnet_keras.NASNetMobile(",
        "nasnet_keras.NASNetCIFAR(cells_per_stack=1, ",
    )
    exec(code, namespace)
    assert namespace["model"].count_params() > 0


def test_cells_are_layers():
    import keras

    namespace = {
        "current": keras.Input((8, 8, 16)),
        "previous": keras.Input((8, 8, 16)),
    }
    exec(find_block(NETWORKS, "NormalCell(NASNET_A.normal"), namespace)
    assert namespace["x"].shape == (None, 4, 4, 4 * 64)


@pytest.mark.long
def test_a_preset_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"nasnet_keras": nasnet_keras}
    exec(find_block(NETWORKS, "nasnet_keras.save_preset"), namespace)
    assert namespace["model"].output_shape == (None, 3)


@pytest.mark.long
def test_the_networks():
    namespace = {"nasnet_keras": nasnet_keras}
    exec(find_block(NETWORKS, 'nasnet_keras.from_preset("amoebanet'), namespace)
    assert namespace["model"].output_names[1] == "auxiliary_predictions"


@pytest.mark.long
def test_features():
    pytest.importorskip("keras_hub")
    namespace = {"nasnet_keras": nasnet_keras}
    exec(find_block(NETWORKS, "import keras_hub"), namespace)
    levels = namespace["detector"].backbone.pyramid_outputs
    assert sorted(levels) == ["P3", "P4", "P5", "P6", "P7"]


MIGRATION = {
    "layers": {"stem_conv", "cell_3", "reduction_cell_0", "predictions"},
    "attributes": {"fits", "paths", "merges", "outs"},
}


def test_the_migration_table_names_what_exists(mobile):
    """Its idioms are run in `test_migration.py`; here at full size."""
    section = text_of("docs/migrating.md")
    layers = {layer.name for layer in mobile.layers}
    assert f"has {len(layers)} layers" in section
    for name in ("cell_8", "cell_11", *MIGRATION["layers"]):
        assert f'"{name}"' in section and name in layers
    assert mobile.get_layer("cell_11").output is (
        mobile.get_layer("top_relu").input
    )
    for name in MIGRATION["attributes"]:
        assert name in section and hasattr(mobile.get_layer("cell_3"), name)
    for name in ("freeze_batch_norm", "unfreeze_from", "replace_head"):
        assert f"`{name}(model" in section and hasattr(nasnet_keras, name)
