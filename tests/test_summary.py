"""Parameters and multiply-adds, against the published figures."""

import keras
import pytest

import nasnet_keras
from nasnet_keras.summary import format_rows, summarize, totals


def test_mobile_has_the_published_multiply_adds():
    parameters, macs = totals(nasnet_keras.NASNetMobile(weights=None))
    assert parameters == 5_326_716
    assert macs == pytest.approx(563.6e6, rel=1e-3)


@pytest.mark.long
def test_large_has_the_published_multiply_adds():
    parameters, macs = totals(nasnet_keras.NASNetLarge(weights=None))
    assert parameters == 88_949_818
    assert macs == pytest.approx(23_783e6, rel=1e-3)


def test_layers_of_each_kind_worked_by_hand():
    x = inputs = keras.Input((8, 6, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", name="a")(x)
    x = keras.layers.SeparableConv2D(4, 3, use_bias=False, name="b")(x)
    x = keras.layers.DepthwiseConv2D(2, strides=2, name="c")(x)
    x = keras.layers.Flatten()(x)
    rows = summarize(keras.Model(inputs, keras.layers.Dense(7, name="d")(x)))
    assert [(r.name, r.output_shape, r.parameters, r.macs) for r in rows] == [
        ("a", (8, 6, 5), 3 * 9 * 5 + 5, 48 * 3 * 9 * 5),
        ("b", (6, 4, 4), 9 * 5 + 5 * 4, 24 * (9 * 5 + 5 * 4)),
        ("c", (3, 2, 4), 4 * 4 + 4, 6 * 4 * 4),
        ("d", (7,), 24 * 7 + 7, 24 * 7),
    ]


def test_a_model_of_any_size_asks_for_one():
    model = nasnet_keras.NASNetCIFAR(
        (None, None, 3), cells_per_stack=1, filters=2
    )
    with pytest.raises(ValueError, match="give `input_shape`"):
        summarize(model)
    small, large = (totals(model, (side, side, 3))[1] for side in (8, 16))
    head = 48 * 10  # The classifier costs the same at every size.
    assert large - head == 4 * (small - head)
    # The model is as it was: counting leaves nothing behind.
    assert model(keras.ops.zeros((1, 9, 9, 3))).shape == (1, 10)
    assert "call" not in vars(model.get_layer("cell_0"))


def test_the_table_shows_each_cell_and_the_totals():
    model = nasnet_keras.NASNetCIFAR(cells_per_stack=1, filters=2)
    text = format_rows(summarize(model), "a title")
    lines = text.splitlines()
    assert lines[0] == "a title"
    names = [line.split()[0] for line in lines[2:]]
    assert "reduction_cell_1" in names and names[-1] == "total"
    assert f"{model.count_params():,}" in lines[-1]


def test_channels_first_counts_the_same():
    keras.config.set_image_data_format("channels_first")
    try:
        x = keras.Input((3, 20, 10))
        y = keras.layers.Conv2D(8, 3, strides=2, padding="same")(x)
        model = keras.Model(x, y)
    finally:
        keras.config.set_image_data_format("channels_last")
    (row,) = summarize(model)
    assert row.macs == 3 * 3 * 3 * 8 * 10 * 5
