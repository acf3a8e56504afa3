"""A training that starts from a `.keras` file, or learns from one."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import nasnet_keras
from nasnet_keras.training import session
from nasnet_keras.training.distill import make_distiller
from nasnet_keras.training.recipes import get_recipe
from nasnet_keras.training.session import TrainingJob, run_training
from tests.support.bright_and_dark import folder_of_images, raw, scaled

SHORT = {"epochs": 1, "batch_size": 2, "ema": 0.0, "image_size": 8}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder_of_images(tmp_path_factory.mktemp("data") / "levels")


@pytest.fixture
def job(data, tmp_path):
    """Function from arguments to a short training of the bright and dark."""

    def make(**arguments):
        return TrainingJob(
            tmp_path / "run",
            get_recipe("cifar10_short"),
            SHORT,
            data=str(data),
            validation_split=0,
            **arguments,
        )

    return make


def loaded(job):
    """The model, teacher and dataset of a job."""
    dataset = nasnet_keras.training.data.load_dataset(job.data, image_size=8)
    recipe = dataclasses.replace(job.recipe, **job.settings)
    model = None
    if job.model is not None:
        model, recipe = session._network(
            job, None, session._origin(job), recipe, dataset
        )
    return model, session._teacher(job, recipe, dataset), dataset


TEACHERS = {
    "probabilities": (scaled, {}),
    "logits": (
        lambda: scaled(activation=None),
        {"teacher_from_logits": True},
    ),
    "another range": (raw, {"teacher_input_range": "-1..1"}),
    "one sigmoid": (lambda: scaled(units=1, activation="sigmoid"), {}),
    "around a network": (lambda: keras.Sequential([scaled()]), {}),
}


@pytest.mark.parametrize("form", TEACHERS)
@pytest.mark.filterwarnings("ignore:You are saving a model that has not")
def test_the_loss_with_a_teacher(form, job, tmp_path):
    """T^2 KL(teacher || student) of the softened probabilities, by hand."""
    build, said = TEACHERS[form]
    build().save(tmp_path / "teacher.keras")
    _, teacher, _ = loaded(job(teacher=str(tmp_path / "teacher.keras"), **said))
    student = scaled()
    kernel, bias = student.layers[-1].get_weights()
    student.layers[-1].set_weights([kernel * 0.5, bias])
    student.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy")
    distiller = make_distiller(student, teacher, weight=1.0, temperature=2.0)
    levels = np.array([20.0, 90.0, 150.0, 240.0])
    images = np.ones((4, 8, 8, 3)) * levels[:, None, None, None]
    mean = levels / 127.5 - 1
    target, soft = (1 / (1 + np.exp(-mean * k)) for k in (1.0, 0.5))
    divergence = target * np.log(target / soft)
    divergence += (1 - target) * np.log((1 - target) / (1 - soft))
    labels = np.eye(2)[[1, 1, 0, 0]]
    logs = distiller.train_on_batch(images, labels, return_dict=True)
    assert float(logs["loss"]) == pytest.approx(4 * divergence.mean(), rel=1e-4)


@pytest.mark.parametrize(
    "build, message",
    [
        (raw, "--teacher-input-range"),
        (
            lambda: scaled(activation=None),
            r"--teacher-from-logits\).*\(--no-teacher-from-logits\)",
        ),
        (lambda: scaled((8, 8, 1)), "1 channels"),
        (lambda: scaled((9, 9, 3)), "9 pixels alone"),
        (lambda: scaled(activation="sigmoid"), "must end in softmax"),
    ],
)
def test_teachers_that_do_not_do(build, message, job, tmp_path):
    build().save(tmp_path / "teacher.keras")
    with pytest.raises(ValueError, match=message):
        loaded(job(teacher=str(tmp_path / "teacher.keras")))


def test_a_teacher_of_other_classes(job, tmp_path):
    model = scaled()
    model = nasnet_keras.replace_head(model, 3)
    model.save(tmp_path / "teacher.keras")
    with pytest.raises(ValueError, match=r"the 2 classes .* which tells 3"):
        loaded(job(teacher=str(tmp_path / "teacher.keras")))


def test_a_model_of_another_range_is_trained_on_its_own(job, tmp_path):
    """It gets a layer that scales images; its own layers stay reachable."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3, name="first")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(2, activation="softmax")(x)
    before = keras.Model(inputs, outputs)
    about = {"class_names": ["bright", "dark"], "outputs": "probabilities"}
    path = str(tmp_path / "model.keras")
    nasnet_keras.model_files.save_model(before, path, about)
    with pytest.raises(ValueError, match="--input-range"):
        loaded(job(model=path))
    after, _, dataset = loaded(job(model=path, input_range="0..1"))
    images = np.asarray(dataset.train[0], "float32")
    np.testing.assert_allclose(
        after.predict(images, verbose=0),
        before.predict(images / 255, verbose=0),
        atol=1e-5,
    )
    nasnet_keras.freeze_to(after, "first")
    run_training(job(model=path, input_range="0..1"), 0, lambda line: None)
    folder = tmp_path / "run"
    trained = nasnet_keras.load_model(folder / "model.keras")
    assert "preprocessing" in [layer.name for layer in trained.layers]
    recorded = json.loads((folder / "run.json").read_text())["configuration"]
    assert recorded["fine_tuning"] == {"input_range": "0..1"}
    # What was trained says itself what it takes: it needs no flag.
    loaded(job(model=str(folder / "model.keras")))


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: scaled((8, 8, 1)), "1 channels"),
        (lambda: scaled((9, 9, 3)), "9 pixels alone"),
    ],
)
def test_models_that_do_not_fit_the_images(build, message, job, tmp_path):
    build().save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=message):
        loaded(job(model=str(tmp_path / "model.keras")))


SEQUENTIAL = {
    "with an input": lambda: keras.Sequential(
        [keras.Input((8, 8, 3)), *scaled().layers[1:]]
    ),
    "without an input": lambda: called(keras.Sequential(scaled().layers[1:])),
    "around a network": lambda: keras.Sequential([scaled()]),
    "within another": lambda: keras.Sequential(
        [keras.layers.Identity(), keras.Sequential([scaled()])]
    ),
    "network in the middle": lambda: keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(2.0, -255.0),
            scaled(),
        ]
    ),
}


def called(model):
    model(np.zeros((1, 8, 8, 3)))
    return model


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("form", SEQUENTIAL)
@pytest.mark.filterwarnings("ignore:You are saving a model that has not")
def test_sequential_models(form, same, job, tmp_path):
    """With the classes of the data, and with a new classifier."""
    before, path = SEQUENTIAL[form](), str(tmp_path / "model.keras")
    names = ["bright", "dark"] if same else ["day", "night"]
    about = {"class_names": names, "input_range": "0..255"}
    nasnet_keras.model_files.save_model(before, path, about)
    after, _, dataset = loaded(job(model=path))
    images = np.asarray(dataset.train[0], "float32")
    expected, found = before(images), after(images)
    assert np.allclose(found, expected, atol=1e-5) is same
    assert after.layers[-1].name == "predictions"


HEADS = {
    "the same": (["bright", "dark"], "softmax", ""),
    "no names": (None, "softmax", "its file does not say for which classes"),
    "others": (["a", "b", "c", "d"], "softmax", "for others, a, b, c, ..."),
    "another order": (["dark", "bright"], "softmax", "another order, dark, br"),
    "sigmoid": (["bright", "dark"], "sigmoid", "ends in sigmoid, not in soft"),
}


@pytest.mark.parametrize("form", HEADS)
def test_a_new_classifier_is_said(form, job, tmp_path, capsys):
    names, activation, reason = HEADS[form]
    path = str(tmp_path / "model.keras")
    before = scaled(activation=activation)
    about = {} if names is None else {"class_names": names}
    nasnet_keras.model_files.save_model(before, path, about)
    after, *_ = loaded(job(model=path))
    kernels = (model.layers[-1].get_weights()[0] for model in (before, after))
    assert np.array_equal(*kernels) is (form == "the same")
    said = capsys.readouterr().err
    assert reason in said and bool(reason) is bool(said)
    if reason:
        assert f"{path} gets a new classifier for the 2 classes of" in said


@pytest.mark.filterwarnings("ignore:You are saving a model that has not")
def test_a_sequential_is_trained(job, tmp_path):
    keras.Sequential([scaled()]).save(path := tmp_path / "model.keras")
    assert len(run_training(job(model=str(path)), 0, lambda line: None)) == 1


def test_training_with_channels_first_is_refused(job, tmp_path):
    """Presets and models; the network itself is built in that format."""
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="channels last"):
            run_training(job(preset="nasnet_cifar"), 0, lambda line: None)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert not (tmp_path / "run").exists()


def test_a_network_for_a_recipe_with_channels_first(data, monkeypatch):
    from nasnet_keras.training import network

    asked = []
    monkeypatch.setattr(
        network, "from_preset", lambda *_, **options: asked.append(options)
    )
    dataset = nasnet_keras.training.data.load_dataset(data, image_size=8)
    recipe = dataclasses.replace(get_recipe("cifar10_short"), **SHORT)
    keras.config.set_image_data_format("channels_first")
    try:
        network.build_for_recipe("nasnet_cifar", recipe, dataset)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert asked[0]["input_shape"] == (3, None, None)
