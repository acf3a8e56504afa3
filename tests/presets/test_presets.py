"""Presets: golden figures, their table, and folders of one's own."""

import json
import pathlib

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras import Genotype, Preset, from_preset, save_preset
from nasnet_keras.presets import PRESETS, figures, get_preset, list_presets
from nasnet_keras.presets.tables import aligned_table
from nasnet_keras.summary import totals
from nasnet_keras.weights import WeightsError
from pretrained import figures as script
from tests.support.genotypes import TWO_BLOCKS

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = [name for name, preset in PRESETS.items() if preset.test_sized]
REAL = list_presets()
# They build in seconds and represent all sizes; the others are long.
QUICK = ["darts_v2_cifar", "nasnet_mobile"]


def some(names, quick):
    return [
        pytest.param(n, marks=() if n in quick else pytest.mark.long)
        for n in names
    ]


def zeros(self, shape, dtype=None):
    return np.zeros(shape, dtype or "float32")


# Golden figures ---------------------------------------------------------------


def test_every_preset_has_golden_figures():
    assert list(figures()) == list(PRESETS)
    keys = {"parameters", "trainable", "multiply_adds"}
    assert all(figures()[name].keys() == keys for name in PRESETS)


@pytest.mark.parametrize("name", [*TINY, *some(REAL, QUICK)])
def test_golden_figures(name, monkeypatch):
    # Drawing weights that nobody reads takes most of the time.
    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", zeros)
    model = from_preset(name, weights=None)
    parameters, macs = totals(model)
    assert figures()[name] == {
        "parameters": parameters,
        "trainable": sum(
            int(np.prod(w.shape)) for w in model.trainable_weights
        ),
        "multiply_adds": macs,
    }


@pytest.mark.parametrize(
    "name, parameters, trainable, macs",
    [
        ("nasnet_mobile", 5_326_716, 5_289_978, 563.6),
        ("nasnet_large", 88_949_818, 88_753_150, 23_783),
        # Printed by the authors' code.
        ("darts_v1_cifar", None, 3_169_414, None),
        ("darts_v2_cifar", None, 3_349_342, None),
    ],
)
def test_figures_known_elsewhere(name, parameters, trainable, macs):
    known = figures()[name]
    assert known["trainable"] == trainable
    if parameters:
        assert known["parameters"] == parameters
        assert abs(known["multiply_adds"] / 1e6 - macs) < 1


def published(text):
    """5.3 M -> (5.3e6, half of the last digit)."""
    number, unit = text.split()
    scale = {"M": 1e6, "B": 1e9}[unit]
    digits = len(number.partition(".")[2])
    return float(number) * scale, 0.5 * scale / 10**digits


# Presets whose papers print the count of their configuration. Papers differ in
# whether they count all parameters or the trainable ones.
EXACT = [
    "nasnet_mobile",
    "nasnet_large",
    "nasnet_cifar",
    "pnasnet_mobile",
    "pnasnet_large",
    "amoebanet_a_mobile",
    "amoebanet_a_large",
    "amoebanet_a_cifar",
    "amoebanet_a_cifar_36",
    "darts_v2_imagenet",
]


@pytest.mark.parametrize("name", EXACT)
def test_parameters_are_those_of_the_papers(name):
    value, tolerance = published(PRESETS[name].published.parameters)
    counts = figures()[name]
    errors = [abs(counts[k] - value) for k in ("parameters", "trainable")]
    assert min(errors) <= 1.1 * tolerance


@pytest.mark.parametrize(
    "name",
    [
        "nasnet_mobile",
        "nasnet_large",
        "amoebanet_a_mobile",
        "amoebanet_a_large",
    ],
)
def test_multiply_adds_are_those_of_the_papers(name):
    value, tolerance = published(PRESETS[name].published.macs)
    assert abs(figures()[name]["multiply_adds"] - value) <= 1.1 * tolerance


def test_written_files_are_up_to_date():
    """README's table, the figures' file and the cards: one source."""
    for path, text in script.files(figures()).items():
        assert path.read_text() == text, f"run {script.__name__} --write"


def test_cards():
    cards = script.cards()
    assert len(cards) == 5
    for name, preset in PRESETS.items():
        for weights, known in preset.weights.items():
            card = cards[f"{name}_{weights}.md"]
            for fact in ("Licence", "`tf_slim`", "127.5"):
                assert fact in card
            if known.format == "shipped":
                continue
            assert known.reported in card
            assert "by the authors" in card and "not measured here" in card


def test_the_card_of_weights_that_we_trained():
    """Command, time, machine, curve, accuracy: all from the run's record."""
    record = PRESETS["nasnet_cifar"].weights["cifar10"].record()
    card = script.cards()["nasnet_cifar_cifar10.md"]
    assert f"    {record['command']}\n" in card
    assert f"**{record['test']['top1']:.2%}** of the 10,000 test" in card
    assert f"{record['minutes']:.0f} minutes for" in card
    assert record["produced_by"]["machine"] in card
    picture = ROOT / "pretrained" / "shipped" / "nasnet_cifar_cifar10.png"
    assert f"(shipped/{picture.name})" in card and picture.is_file()


def test_the_table_shows_both_figures():
    table = aligned_table(figures())
    (row,) = [x for x in table.splitlines() if x.startswith("nasnet_7_1920")]
    assert "24,702,948" in row and "22.6 M" in row
    assert "tiny" not in table
    assert "nasnet_tiny" in aligned_table(figures(), test_sized=True)


def test_list_presets():
    assert "nasnet_large" in list_presets()
    assert set(list_presets(test_sized=True)) - set(REAL) == set(TINY)


# Folders ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def mine():
    configuration = {
        "genotype": TWO_BLOCKS,
        "cells_per_stack": 1,
        "filters": 4,
        "stem": "cifar",
        "classes": 3,
        "pooling_semantics": "keras",
        "dropout_rate": 0.2,
    }
    names = ("ant", "bee", "cicada")
    return Preset("insects", configuration, image_size=16, class_names=names)


@pytest.fixture(scope="module")
def trained(mine):
    return from_preset(mine)


@pytest.fixture(scope="module")
def folder(mine, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "insects"
    save_preset(folder, mine, trained)
    return folder


def test_a_folder_loads_by_path(folder, mine, trained):
    preset = get_preset(folder)
    assert preset.configuration == mine.configuration
    assert preset.class_names == mine.class_names
    assert preset.folder == folder
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 3))
    for path in folder, str(folder):
        model = from_preset(path)
        np.testing.assert_array_equal(model(x), trained(x))
    assert model.get_layer("cell_0").conventions.pooling_semantics == "keras"


def test_what_a_folder_holds(folder):
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["README.md", "config.json", "model.weights.h5"]
    config = json.loads((folder / "config.json").read_text())
    genotype = config["configuration"]["genotype"]
    assert Genotype.from_dict(genotype) == TWO_BLOCKS
    card = (folder / "README.md").read_text()
    assert "ant, bee, cicada" in card
    assert repr(TWO_BLOCKS) in card
    assert "not measured here" in card


def test_a_folders_network_takes_overrides(folder, trained):
    features = from_preset(folder, include_top=False, pooling="avg")
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 3))
    kernel, bias = trained.get_layer("predictions").get_weights()
    logits = np.asarray(features(x)) @ kernel + bias
    np.testing.assert_allclose(keras.ops.softmax(logits), trained(x), 1e-4)
    fresh = from_preset(folder, weights=None).get_layer("predictions")
    assert (np.asarray(fresh.kernel) != kernel).any()


def test_a_folder_that_is_not_empty_is_kept(folder, mine, trained):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(ValueError, match="`folder` must be new or empty"):
        save_preset(folder, mine, trained)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_model_of_another_preset_is_refused(mine, tmp_path):
    other = from_preset("nasnet_cifar_tiny", weights=None)
    with pytest.raises(WeightsError):
        save_preset(tmp_path / "wrong", mine, other)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "argument",
    [
        {"include_preprocessing": True},
        {"pooling_semantics": "tf_slim"},
        {"batch_norm_epsilon": 1e-2},
        {"classifier_activation": None},
    ],
)
def test_a_model_of_other_settings_is_refused(mine, tmp_path, argument):
    """The weights would load, and the outputs be others."""
    other = from_preset(mine, weights=None, **argument)
    with pytest.raises(WeightsError, match="Layers that differ: "):
        save_preset(tmp_path / "wrong", mine, other)
    assert list(tmp_path.iterdir()) == []


def test_what_concerns_training_alone_may_differ(mine, tmp_path):
    model = from_preset(
        mine, weights=None, drop_path_rate=0.3, dropout_rate=0.0
    )
    nasnet_keras.freeze_batch_norm(model)
    save_preset(tmp_path / "mine", mine, model)
    assert from_preset(tmp_path / "mine").get_layer("dropout").rate == 0.2


def test_a_preset_without_top_or_with_two(tmp_path):
    configuration = {"genotype": TWO_BLOCKS, "cells_per_stack": 1}
    configuration.update(filters=4, stem="cifar")
    for name, more, side in (
        ("body", {"include_top": False, "pooling": "avg"}, 16),
        ("two", {"auxiliary_head": True, "classes": 3}, 32),
    ):
        preset = Preset(name, {**configuration, **more}, side)
        save_preset(tmp_path / name, preset, from_preset(preset))
        maps = nasnet_keras.Backbone.from_preset(tmp_path / name)
        assert list(maps.pyramid_outputs) == ["P0", "P1", "P2"]
        body = from_preset(tmp_path / name, include_top=False)
        assert len(body.outputs) == 1


def test_a_folder_without_its_weights_says_so(folder, tmp_path, caplog):
    copy = tmp_path / "bare"
    copy.mkdir()
    (copy / "config.json").write_text((folder / "config.json").read_text())
    assert get_preset(copy).own_weights is None
    assert from_preset(copy).output_shape == (None, 3)
    assert "insects has no weights of its own: random" in caplog.text


@pytest.mark.parametrize(
    "text", ["", "[]", '{"name": "x"}', '{"name": "x", "configuration": 3}']
)
def test_a_config_that_is_none(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json` holds no preset"):
        get_preset(tmp_path)


def test_unknown_preset_error():
    with pytest.raises(ValueError, match=r"nasnet_mobile, .*'nasnet_huge'"):
        from_preset("nasnet_huge")


def test_unknown_argument_in_a_folder(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    config["configuration"]["colour"] = "red"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"'insects': colour"):
        from_preset(tmp_path)


def test_unknown_argument_error():
    with pytest.raises(TypeError, match=r"Unexpected argument.*colour"):
        from_preset("nasnet_tiny", colour="red")


def test_no_such_published_weights():
    with pytest.raises(ValueError, match="no 'imagenet' weights for"):
        from_preset("darts_v2_imagenet", weights="imagenet")


@pytest.mark.parametrize("name", ["NASNetMobile", "NASNetLarge", "NASNetCIFAR"])
def test_presets_are_the_functions(name):
    """Or two places would know the configurations."""
    small = {"cells_per_stack": 1, "filters": 8, "weights": None}
    model = getattr(nasnet_keras, name)(**small)
    key = f"nasnet_{name.removeprefix('NASNet').lower()}"
    configuration = {**PRESETS[key].configuration, **small}
    side = PRESETS[key].image_size
    twin = nasnet_keras.NASNet(**configuration, input_shape=(side, side, 3))
    layers = [(x.name, x.get_config()) for x in model.layers[1:]]
    assert layers == [(x.name, x.get_config()) for x in twin.layers[1:]]
