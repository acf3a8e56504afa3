"""Feature maps by name, and the detectors, segmenters and videos on them."""

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras import Backbone
from tests.support.boxes import draw_masks, read_voc
from tests.support.genotypes import TWO_BLOCKS
from tests.support.sources import perturb_batch_norm, relative_error

# Of the maps, finest first. Cells concatenate states of their filters: with 8
# filters the first stem cell has 2, the stacks have 8, 16 and 32.
CHANNELS = {
    "nasnet_tiny": (32, 4 * 2, 6 * 8, 6 * 16, 6 * 32),
    "nasnet_large_tiny": (96, 4 * 2, 6 * 8, 6 * 16, 6 * 32),
    "pnasnet_tiny": (32, 5 * 2, 5 * 8, 5 * 16, 5 * 32),
    "amoebanet_tiny": (32, 5 * 2, 4 * 8, 4 * 16, 4 * 32),
    # Half and all of the filters in the stem's convolutions.
    "darts_imagenet_tiny": (4, 8, 4 * 8, 4 * 16, 4 * 32),
    # 4 filters; the CIFAR stem does not stride.
    "nasnet_cifar_tiny": (6 * 4, 6 * 8, 6 * 16),
    "enas_tiny": (5 * 4, 5 * 8, 5 * 16),
    "darts_cifar_tiny": (4 * 4, 4 * 8, 4 * 16),
}
SIZES = [(64, 64), (65, 66), (67, 65), (97, 90)]


def images(height, width, count=1):
    rng = np.random.default_rng(height * width)
    return rng.uniform(-1, 1, (count, height, width, 3)).astype("float32")


def small(**arguments):
    """A backbone of two blocks, quick to build."""
    arguments = {"weights": None, "genotype": TWO_BLOCKS, **arguments}
    return Backbone.from_preset("nasnet_tiny", **arguments)


def shapes_of(maps):
    return {name: tuple(tensor.shape[1:]) for name, tensor in maps.items()}


def numbers(variables):
    """Copies of the values."""
    return [np.array(variable.numpy()) for variable in variables]


def changed(variables, before):
    """Whether each variable has another value, all finite."""
    assert len(variables) == len(before) > 0
    after = numbers(variables)
    assert all(np.isfinite(value).all() for value in after)
    return [np.any(a != b) for a, b in zip(after, before)]


# Sizes ------------------------------------------------------------------------


def expected_shapes(preset, height, width):
    """ceil(size / 2 ** level); five levels up to 5, three up to 2."""
    channels = CHANNELS[preset]
    first = 1 if len(channels) == 5 else 0
    return {
        f"P{level}": (-(-height // 2**level), -(-width // 2**level), count)
        for level, count in enumerate(channels, first)
    }


def test_every_family_is_tried():
    named = nasnet_keras.list_presets(test_sized=True)
    assert set(CHANNELS) == {name for name in named if name.endswith("_tiny")}


@pytest.mark.parametrize("preset", CHANNELS)
def test_sizes(preset):
    """Computed and actual sizes of the maps, for one model of any size."""
    backbone = Backbone.from_preset(preset, weights=None)
    unknown = {
        name: (None, None, shape[-1])
        for name, shape in expected_shapes(preset, 1, 1).items()
    }
    assert shapes_of(backbone.pyramid_outputs) == unknown
    for height, width in SIZES:
        said = backbone.compute_output_shape((None, height, width, 3))
        said = {name: tuple(shape[1:]) for name, shape in said.items()}
        expected = expected_shapes(preset, height, width)
        assert said == expected
        assert shapes_of(backbone(images(height, width))) == expected


def test_sizes_of_a_fixed_size():
    backbone = Backbone.from_preset(
        "nasnet_tiny", input_shape=(97, 90, 3), weights=None
    )
    expected = expected_shapes("nasnet_tiny", 97, 90)
    assert shapes_of(backbone.pyramid_outputs) == expected
    assert shapes_of(backbone(images(97, 90))) == expected


def test_sizes_where_they_are_tensors(any_size):
    """As in an exported model: a graph that knows no size."""
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow traces graphs of unknown sizes")
    signature = [tf.TensorSpec((None, None, None, 3))]
    graph = tf.function(any_size, input_signature=signature, autograph=False)
    for size in SIZES:
        x = images(*size)
        expected = any_size(x)
        actual = graph(x)
        for name in expected:
            assert relative_error(actual[name], expected[name]) < 1e-5


def test_sizes_without_alignment():
    """The classifiers' own: an unpadded convolution rounds down."""
    backbone = small(aligned=False)
    assert backbone.output["P1"] is backbone.get_layer("stem_bn").output
    sides = [
        shape[:2] for shape in shapes_of(backbone(images(65, 66))).values()
    ]
    assert sides == [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2)]


# Taps -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_cells():
    """All end points of a network of two cells per stack, and its levels."""
    cells = [f"cell_{number}" for number in range(6)]
    levels = [f"P{level}" for level in range(1, 6)]
    reductions = ["reduction_cell_0", "reduction_cell_1"]
    taps = ["stem_bn", "cell_stem_0", "cell_stem_1", *reductions, *cells]
    return small(taps=[*taps, *levels], cells_per_stack=2)


def test_levels_are_the_last_cells_of_their_stride(two_cells):
    last = {"P2": "cell_stem_0", "P3": "cell_1", "P4": "cell_3", "P5": "cell_5"}
    for level, name in last.items():
        assert two_cells.output[level] is two_cells.get_layer(name).output


def test_taps_by_layer_names(two_cells):
    """Cells by name; only levels are pyramid outputs."""
    for name, tensor in two_cells.output.items():
        if "cell" in name:
            assert tensor is two_cells.get_layer(name).output
    assert list(two_cells.pyramid_outputs) == ["P1", "P2", "P3", "P4", "P5"]


def test_a_subset_of_taps_leaves_out_what_none_needs():
    backbone = small(taps=("cell_1", "P2"), cells_per_stack=1)
    assert list(backbone.output) == ["cell_1", "P2"]
    assert list(backbone.pyramid_outputs) == ["P2"]
    names = {layer.name for layer in backbone.layers}
    assert "cell_1" in names
    assert not names & {"reduction_cell_1", "cell_2", "pad_to_half"}


@pytest.mark.parametrize("taps", [["P3", "P6"], ["top_relu"], [], "P3"])
def test_taps_error(taps):
    """It lists the valid names and prints the value received."""
    with pytest.raises(ValueError, match=r"`taps`.*P1, P2.*stem_bn.*") as error:
        small(taps=taps)
    message = str(error.value)
    assert "P5" in message and "reduction_cell_1" in message
    assert f"taps={taps!r}" in message


# Values -----------------------------------------------------------------------

LAYERS = {
    "P1": "stem_bn",
    "P2": "cell_stem_0",
    "P3": "cell_0",
    "P4": "cell_1",
    "P5": "cell_2",
}


@pytest.fixture(scope="module")
def classifier():
    """The outputs of its layers by level, and the classifier."""
    keras.utils.set_random_seed(0)
    model = nasnet_keras.from_preset(
        "nasnet_tiny",
        weights=None,
        genotype=TWO_BLOCKS,
        input_shape=(None, None, 3),
    )
    perturb_batch_norm(model)
    outputs = {
        level: model.get_layer(name).output for level, name in LAYERS.items()
    }
    return keras.Model(model.input, outputs), model


@pytest.fixture(scope="module")
def any_size(classifier):
    """A backbone of unknown size with the classifier's weights."""
    backbone = small()
    for layer in backbone.layers:
        if layer.weights:
            source = classifier[1].get_layer(layer.name)
            layer.set_weights(source.get_weights())
    return backbone


def test_weights_of_a_classifiers_file(classifier, any_size, tmp_path):
    path = tmp_path / "classifier.weights.h5"
    classifier[1].save_weights(path)
    x = images(65, 66)
    maps, expected = small(weights=path)(x), any_size(x)
    for level in LAYERS:
        np.testing.assert_array_equal(maps[level], expected[level])


def assert_maps_of_the_classifier(maps, expected, height, width):
    for level in ("P2", "P3", "P4", "P5"):
        np.testing.assert_array_equal(maps[level], expected[level])
    # The stem's map is filled up with zeros to half of the image.
    stem = np.asarray(expected["P1"])
    rows, columns = (height + 1) // 2, (width + 1) // 2
    padding = ((0, rows - stem.shape[1]), (0, columns - stem.shape[2]))
    filled = np.pad(stem, ((0, 0), *padding, (0, 0)))
    np.testing.assert_array_equal(maps["P1"], filled)


@pytest.mark.parametrize("size", [(64, 64), (67, 67), (64, 67), (67, 100)])
def test_sizes_that_need_no_padding(classifier, any_size, size):
    """4k and 4k - 1: the maps that the classifier has."""
    x = images(*size, count=2)
    maps, expected = any_size(x), classifier[0](x)
    assert_maps_of_the_classifier(maps, expected, *size)


@pytest.mark.parametrize(
    "size, padded",
    [
        ((65, 66), (67, 67)),
        ((66, 64), (67, 64)),
        ((65, 65), (67, 67)),
        ((67, 66), (67, 67)),
    ],
)
def test_padding_is_of_zeros_at_the_bottom_and_the_right(
    classifier, any_size, size, padded
):
    x = images(*size, count=2)
    padding = [(0, new - old) for old, new in zip(size, padded)]
    by_hand = np.pad(x, ((0, 0), *padding, (0, 0)))
    maps, expected = any_size(x), classifier[0](by_hand)
    assert_maps_of_the_classifier(maps, expected, *size)
    # And the values of the margin matter.
    other = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=1)
    assert relative_error(classifier[0](other)["P2"], expected["P2"]) > 1e-3


def test_preprocessing_comes_before_padding(any_size):
    """The margin is 0 in what the network sees: mid-grey, not black."""
    backbone = small(include_preprocessing=True)
    backbone.set_weights(any_size.get_weights())
    x = images(65, 66)
    maps, expected = backbone(127.5 * (x + 1)), any_size(x)
    for name in expected:
        assert relative_error(maps[name], expected[name]) < 1e-4


# Saving -----------------------------------------------------------------------


def assert_same_backbone(actual, expected):
    assert type(actual) is Backbone
    assert actual.name == expected.name
    names = list(expected.pyramid_outputs)
    assert list(actual.pyramid_outputs) == names == list(LAYERS)
    x = images(65, 66)
    maps, original = actual(x), expected(x)
    for name in names:
        assert relative_error(maps[name], original[name]) < 1e-6


def test_saving(any_size, tmp_path):
    any_size.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    assert_same_backbone(loaded, any_size)


def test_cloning(any_size):
    clone = keras.models.clone_model(any_size)
    x = images(65, 66)
    assert relative_error(clone(x)["P5"], any_size(x)["P5"]) > 1e-3
    clone.set_weights(any_size.get_weights())
    assert_same_backbone(clone, any_size)


def test_frozen_stays_frozen(tmp_path):
    backbone = small()
    assert backbone.trainable_weights
    backbone.trainable = False
    backbone.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    assert not loaded.trainable
    for copy in loaded, keras.models.clone_model(backbone):
        assert len(copy.weights) == len(backbone.weights)
        assert copy.trainable_weights == []


# KerasHub ---------------------------------------------------------------------

CLASSES = ("RBC", "WBC", "Platelets")
HEIGHT, WIDTH = 96, 128  # A fifth of BCCD's; its levels divide by 32.


@pytest.fixture(scope="module")
def keras_hub():
    """Imported by the tests that need it only: it takes a while."""
    return pytest.importorskip("keras_hub")


@pytest.fixture(scope="module")
def blood_cells(shared_data):
    """Two micrographs, 480x640, with boxes around cells of three kinds."""
    images, boxes, labels = read_voc(shared_data("bccd"), "train", 2, CLASSES)
    assert images.shape == (2, 480, 640, 3)
    return images, boxes, labels


# What KerasHub's converters do: 480x640 from 0 to 255 to 96x128, -1 to 1.
CONVERSION = {
    "image_size": (HEIGHT, WIDTH),
    "crop_to_aspect_ratio": False,
    "scale": 1 / 127.5,
    "offset": -1.0,
}


@pytest.fixture(scope="module")
def retinanet(keras_hub):
    """RetinaNet on levels 3 to 5 and one that it makes itself.

    The ImageNet stem's batch norm forgets in thousands of steps; a test
    that predicts after three needs one that forgets sooner.
    """
    keras.utils.set_random_seed(0)
    return keras_hub.models.RetinaNetBackbone(
        image_encoder=Backbone.from_preset(
            "nasnet_tiny", weights=None, batch_norm_momentum=0.5
        ),
        min_level=3,
        max_level=6,
        use_p5=True,
        image_shape=(HEIGHT, WIDTH, 3),
    )


@pytest.fixture(scope="module")
def detector(keras_hub, retinanet):
    box_format = "yxyx"
    converter = keras_hub.layers.RetinaNetImageConverter(
        bounding_box_format=box_format, **CONVERSION
    )
    preprocessor = keras_hub.models.RetinaNetObjectDetectorPreprocessor(
        converter
    )
    anchors = keras_hub.layers.AnchorGenerator(
        box_format,
        min_level=3,
        max_level=6,
        num_scales=3,
        aspect_ratios=[0.5, 1.0, 2.0],
        anchor_size=2,  # 16 pixels on level 3; red cells have 20.
    )
    return keras_hub.models.RetinaNetObjectDetector(
        retinanet,
        num_classes=len(CLASSES),
        bounding_box_format=box_format,
        anchor_generator=anchors,
        pre_logits_num_conv_layers=1,
        preprocessor=preprocessor,
    )


def fit(model, x, y, epochs):
    """Steps on one batch, eagerly: a graph takes a minute to compile.

    Returns:
        List of losses.
    """
    model.compile(optimizer=keras.optimizers.Adam(1e-3), run_eagerly=True)
    history = model.fit(
        x, y, batch_size=len(x), epochs=epochs, shuffle=False, verbose=0
    )
    return history.history["loss"]


@pytest.mark.long
def test_detection(retinanet, detector, blood_cells):
    """Training moves the whole network, and the loss falls."""
    x, boxes, labels = blood_cells
    parts = {
        "image_encoder": retinanet.image_encoder,
        "feature_pyramid": retinanet.feature_pyramid,
        "box_head": detector.box_head,
        "classification_head": detector.classification_head,
    }
    before = {n: numbers(part.trainable_weights) for n, part in parts.items()}
    targets = {"boxes": boxes, "labels": labels}
    losses = fit(detector, x, targets, epochs=3)
    assert np.isfinite(losses).all()
    assert losses[2] < losses[1] < losses[0]
    for name, part in parts.items():
        moved = changed(part.trainable_weights, before[name])
        still = [w.path for w, m in zip(part.trainable_weights, moved) if not m]
        assert not still, (name, still)
    found = detector.predict(x, verbose=0)
    assert found["boxes"].shape[::2] == (2, 4)
    assert np.isfinite(found["boxes"]).all()
    assert found["labels"].max() < len(CLASSES)


def test_saving_a_detectors_backbone(retinanet, tmp_path):
    """KerasHub serializes ours within its own."""
    retinanet.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    assert type(loaded.image_encoder) is Backbone
    assert list(loaded.image_encoder.pyramid_outputs) == list(LAYERS)
    x = images(HEIGHT, WIDTH)
    maps, expected = loaded(x), retinanet(x)
    assert list(maps) == ["P3", "P4", "P5", "P6"]
    for name in expected:
        assert relative_error(maps[name], expected[name]) < 1e-5


@pytest.fixture(scope="module")
def segmenter(keras_hub):
    """DeepLab v3+ on levels 2 and 4, all that its backbone has."""
    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.DeepLabV3Backbone(
        image_encoder=Backbone.from_preset(
            "nasnet_tiny", taps=("P2", "P4"), weights=None
        ),
        low_level_feature_key="P2",
        spatial_pyramid_pooling_key="P4",
        upsampling_size=4,
        dilation_rates=[1, 2],
        image_shape=(HEIGHT, WIDTH, 3),
    )
    converter = keras_hub.layers.DeepLabV3ImageConverter(**CONVERSION)
    preprocessor = keras_hub.models.DeepLabV3ImageSegmenterPreprocessor(
        converter, resize_output_mask=True
    )
    return keras_hub.models.DeepLabV3ImageSegmenter(
        backbone, num_classes=1 + len(CLASSES), preprocessor=preprocessor
    )


def test_segmentation(segmenter, blood_cells):
    x, boxes, labels = blood_cells
    masks = draw_masks(boxes, labels, *x.shape[1:3])
    assert set(np.unique(masks)) == {0, 1, 2, 3}
    targets = keras.utils.to_categorical(masks, 1 + len(CLASSES))
    assert segmenter.output_shape == (None, HEIGHT, WIDTH, 4)
    encoder = segmenter.backbone.image_encoder.trainable_weights
    ours = {id(variable) for variable in encoder}
    theirs = [w for w in segmenter.trainable_weights if id(w) not in ours]
    before = numbers(encoder), numbers(theirs)
    losses = fit(segmenter, x, targets, epochs=3)
    assert np.isfinite(losses).all()
    assert losses[2] < losses[0]
    assert all(changed(encoder, before[0]))
    assert all(changed(theirs, before[1]))
    x, y = segmenter.preprocessor(x, targets)
    assert segmenter(x).shape == y.shape == (2, HEIGHT, WIDTH, 4)


# Video ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def panned(shared_data):
    """Cameras moving to the right (1) or the left (0) over photographs.

    Returns:
        Frames `(4, 3, 32, 32, 3)` of -1 to 1, and labels `(4,)`.
    """
    files = sorted(shared_data("flowers", "train", "tulip").iterdir())[:4]
    photos = [
        keras.utils.load_img(file, target_size=(64, 64)) for file in files
    ]
    photos = np.stack(photos).astype("float32") / 127.5 - 1
    views = [photos[:, 16:48, left : left + 32] for left in (0, 16, 32)]
    frames, labels = np.stack(views, axis=1), np.array([1, 0, 1, 0])
    frames[labels == 0] = frames[labels == 0, ::-1]
    return frames, labels


@pytest.mark.long
def test_video(panned):
    """A network for each frame, a recurrent one over the frames."""
    frames, labels = panned
    keras.utils.set_random_seed(0)
    network = nasnet_keras.from_preset(
        "nasnet_tiny",
        weights=None,
        include_top=False,
        pooling="avg",
        input_shape=(32, 32, 3),
    )
    inputs = keras.Input(frames.shape[1:])
    features = keras.layers.TimeDistributed(network)(inputs)
    recurrent = keras.layers.GRU(8)
    classifier = keras.layers.Dense(2, activation="softmax")
    model = keras.Model(inputs, classifier(recurrent(features)))
    assert features.shape == (None, 3, 192)
    each = [network(frames[:, number]) for number in range(3)]
    together = keras.Model(inputs, features)(frames)
    assert relative_error(together, np.stack(each, axis=1)) < 1e-5
    before = numbers(model.trainable_weights)
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    loss = model.train_on_batch(frames, labels)
    assert np.isfinite(loss)
    assert len(model.trainable_weights) > len(network.trainable_weights) > 0
    assert all(changed(model.trainable_weights, before))
