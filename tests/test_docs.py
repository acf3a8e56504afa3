"""Every Python block of every page of documentation is run.

A block whose network is large, or which downloads weights, is made smaller by
the replacements listed here.
"""

import dataclasses
import re
import types

import numpy as np
import pytest

from tests.support.genotypes import TWO_BLOCKS
from tests.support.pages import (
    PAGES,
    ROOT,
    compile_block,
    find_block,
    imports_before,
    python_blocks,
)
from tests.support.sources import relative_error

SIZE = 32


def small_mobile(**kwargs):
    """`NASNetMobile` with few and small cells, and random weights."""
    import nasnet_keras

    kwargs = {
        "weights": None,
        "genotype": TWO_BLOCKS,
        "cells_per_stack": 1,
        "filters": 8,
        "input_shape": (SIZE, SIZE, 3),
        **kwargs,
    }
    return nasnet_keras.NASNetMobile(**kwargs)


def images(number=4):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (number, SIZE, SIZE, 3)).astype("float32")


def training_names():
    return {"images": images(), "labels": np.arange(4), "small": small_mobile}


def a_model_with_drop_path():
    model = small_mobile(classes=5, drop_path_rate=0.3)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return {**training_names(), "model": model}


def assert_close(fast, model):
    x = images()
    assert relative_error(fast(x), model(x)) < 1e-4  # As `fuse` promises.


def two_states():
    import keras

    return {
        "current": keras.Input((8, 8, 16)),
        "previous": keras.Input((8, 8, 16)),
    }


def few_digits():
    """Data, genotype and recipe for children that train in a second."""
    from nasnet_keras.search import ChildRecipe
    from nasnet_keras.training.data import load_dataset

    dataset = load_dataset("digits", image_size=8, images=200)
    recipe = ChildRecipe(epochs=1, cells_per_stack=1, filters=4)
    return {"dataset": dataset, "genotype": TWO_BLOCKS, "child": recipe}


@dataclasses.dataclass(frozen=True)
class Example:
    """How a Python block of a page is run.

    It sees what the blocks above it import, and no more than is listed here.

    Args:
        page: String, relative path of the page.
        text: String, which only this block of the page contains.
        names: Function without arguments: what the reader has by then.
        after: Strings, texts of blocks above it that are run before it.
        replace: Dictionary, text -> text, to make the block small and offline.
        check: Function of the namespace afterwards, which asserts.
        requires: Optional package without which the block is skipped.
        long: Optional string, the reason why `make test` leaves it out.
    """

    page: str
    text: str
    names: object = dict
    after: tuple = ()
    replace: dict = dataclasses.field(default_factory=dict)
    check: object = None
    requires: str | None = None
    long: str | None = None

    def run(self):
        """Runs the block; returns its namespace."""
        block = find_block(self.page, self.text)
        namespace = self.names()
        exec(imports_before(self.page, block), namespace)
        for text in self.after:
            before = find_block(self.page, text)
            exec(compile_block(self.page, before, before), namespace)
        code = block
        for old, new in self.replace.items():
            assert old in code, f"{self.page} has no {old!r} to replace"
            code = code.replace(old, new)
        exec(compile_block(self.page, block, code), namespace)
        return namespace


def has_output(*shape):
    def check(namespace):
        assert namespace["model"].output_shape == (None, *shape)

    return check


def five_names_an_image(namespace):
    assert [len(rows) for rows in namespace["names"]] == [5] * 4


def the_statistics(namespace):
    """Those of the images, in a layer whose initial mean is 0."""
    import keras

    model, images = namespace["model"], namespace["images"]
    stem = keras.Model(model.input, model.get_layer("stem_conv").output)
    mean = np.mean(stem(images), axis=(0, 1, 2))
    found = model.get_layer("stem_bn").moving_mean
    np.testing.assert_allclose(found, mean, rtol=1e-3, atol=1e-3)
    assert abs(mean).max() > 0.1


def two_heads(namespace):
    assert namespace["model"].output_names[1] == "auxiliary_predictions"


def a_reduced_state(namespace):
    assert namespace["x"].shape == (None, 4, 4, 4 * 64)


def a_pyramid(namespace):
    levels = namespace["detector"].backbone.pyramid_outputs
    assert sorted(levels) == ["P3", "P4", "P5", "P6", "P7"]


def a_best_genotype(namespace):
    assert namespace["results"].genotypes()


def found_results():
    """Results whose best cell is a small one."""
    return {"results": types.SimpleNamespace(genotypes=lambda: [TWO_BLOCKS])}


def as_large_as_the_paper_s(namespace):
    counted = namespace["model"].count_params()
    assert counted == namespace["mobile"].parameters
    assert counted == pytest.approx(5_326_716, rel=0.1)


def the_chain(namespace):
    genotype = namespace["ChainSpace"]().to_genotype((0, 1, 2))
    assert genotype.normal.blocks[1].operations == ("sep_conv_3x3", "identity")


SMALL = {"nasnet_keras.NASNetMobile(": "small("}
# By page, in the order of the blocks.
EXAMPLES = [
    Example(
        "README.md",
        "decode_predictions",
        names=training_names,
        replace=SMALL,
        check=five_names_an_image,
    ),
    Example(
        "README.md",
        "freeze_to",
        names=training_names,
        replace={**SMALL, "cell_7": "cell_1"},
        check=has_output(5),
    ),
    Example(
        "docs/networks.md",
        'from_preset("amoebanet_a_mobile"',
        replace={
            "weights=None": "weights=None, cells_per_stack=1, filters=8",
            "cells_per_stack=2": "cells_per_stack=1",
            "filters=32": "filters=4",
        },
        check=two_heads,
    ),
    Example(
        "docs/networks.md",
        "fast = fuse(model)",
        replace={'nasnet_keras.NASNetCIFAR(weights="cifar10")': "small"},
        names=lambda: {"small": small_mobile()},
        check=lambda names: assert_close(names["fast"], names["model"]),
    ),
    Example(
        "docs/networks.md",
        "NormalCell(NASNET_A.normal",
        names=two_states,
        check=a_reduced_state,
    ),
    Example("docs/networks.md", "def conv_5x5"),
    Example(
        "docs/networks.md",
        "from nasnet_keras import Block",
        names=training_names,
        after=("def conv_5x5",),
        replace=SMALL,
        check=has_output(1000),
    ),
    Example(
        "docs/networks.md",
        "save_preset",
        names=lambda: {"genotype": TWO_BLOCKS},
        replace={
            '"cells_per_stack": 2': '"genotype": genotype, "cells_per_stack": 1'
        },
        check=has_output(3),
    ),
    Example(
        "docs/networks.md",
        "import keras_hub",
        names=lambda: {"genotype": TWO_BLOCKS},
        replace={
            "weights=None": "weights=None, genotype=genotype, filters=8",
            "512, 512": "128, 128",
        },
        check=a_pyramid,
        requires="keras_hub",
    ),
    Example(
        "docs/search.md",
        "retrain(results",
        names=few_digits,
        replace={
            "image_size=8": "image_size=8, images=200",
            "trials=8": "trials=1",
            "epochs=10": "epochs=1",
            "top=2": "top=1, cells_per_stack=1, filters=4",
        },
        check=a_best_genotype,
    ),
    Example(
        "docs/search.md",
        "imagenet_networks(",
        names=found_results,
        check=as_large_as_the_paper_s,
    ),
    Example(
        "docs/search.md",
        "Isolated(",
        names=few_digits,
        replace={
            "trials=8": "trials=1, space=NASNetSpace(blocks=2)",
            "Scratch(dataset": "Scratch(dataset, child",
        },
        check=a_best_genotype,
    ),
    Example(
        "docs/training.md",
        "batch_norm_momentum",
        names=training_names,
        replace=SMALL,
        check=has_output(5),
    ),
    Example(
        "docs/training.md",
        "estimate_batch_norm",
        names=a_model_with_drop_path,
        check=the_statistics,
    ),
    Example(
        "docs/training.md",
        "curve = fit(",
        names=few_digits,
        replace={
            "cells_per_stack=1": "cells_per_stack=1, genotype=genotype",
            "epochs=2": "epochs=1",
        },
        check=has_output(10),
    ),
    Example(
        "docs/training.md",
        "discriminative_optimizer",
        names=training_names,
        replace={**SMALL, "cell_7": "cell_1"},
        check=has_output(5),
    ),
    Example(
        "docs/training.md",
        "ScheduledDropPath",
        names=a_model_with_drop_path,
        replace={"epochs=10": "epochs=2"},
        check=lambda names: names["model"].get_layer("cell_0"),
    ),
    Example("search/README.md", "class ChainSpace", check=the_chain),
]


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(
            example,
            id=f"{example.page}-{example.text}",
            marks=[pytest.mark.long] if example.long else [],
        )
        for example in EXAMPLES
    ],
)
def test_block_runs(example, operations, tmp_path, monkeypatch):
    if example.requires:
        pytest.importorskip(example.requires)
    monkeypatch.chdir(tmp_path)
    namespace = example.run()
    if example.check:
        example.check(namespace)


def test_every_block_is_run():
    """And the examples are listed in the order of the pages."""
    blocks = [(page, code) for page in PAGES for code in python_blocks(page)]
    listed = [(e.page, find_block(e.page, e.text)) for e in EXAMPLES]
    assert len(PAGES) > 6
    assert listed == blocks


def test_no_block_escapes():
    """Blocks stand in `PAGES`, and their fences are those that are found."""
    for path in ROOT.rglob("*.md"):
        page = path.relative_to(ROOT)
        if page.parts[0].startswith(".") or page.parts[0] == "tests":
            continue
        fences = re.findall(r"^\s*(?:```|~~~)(.*)", path.read_text(), re.M)
        languages = {fence.strip() for fence in fences} - {""}
        allowed = {"python"} if str(page) in PAGES else set()
        assert languages <= allowed, page
