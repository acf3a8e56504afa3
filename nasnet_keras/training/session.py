"""What `nasnet train` does, step by step, in its folder."""

import dataclasses
import json
import shlex
import sys
import time

import keras

import nasnet_keras
from nasnet_keras.layers.drop_path import has_drop_path
from nasnet_keras.model_files import load_model, read_about
from nasnet_keras.presets import get_preset
from nasnet_keras.runs.files import write_atomically
from nasnet_keras.runs.folder import differences
from nasnet_keras.runs.provenance import provenance
from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.fine_tuning import freeze_to, replace_head
from nasnet_keras.training.fit import CHECKPOINTS, MODEL_FILE, fit
from nasnet_keras.training.network import build_network
from nasnet_keras.training.recipes import Recipe

RUN_FILE = "run.json"
PRESET = "nasnet_cifar"


class Session:
    """A training in a folder, from the data to the model.

    Args:
        args: The parsed arguments of `nasnet train`.
        recipe: `Recipe`.
    """

    def __init__(self, args, recipe):
        self.args = args
        self.recipe = recipe
        if args.model is not None:
            self._start_from_model()
        else:
            self.origin = {}
            self.preset = get_preset(args.preset or PRESET)
            self.name = self.preset.name

    def run(self):
        """Trains; prints what comes out."""
        self._set_up_keras()
        self.dataset = load_dataset(
            self.args.data,
            data_dir=self.args.data_dir,
            image_size=self.recipe.image_size,
            validation_split=self.args.validation_split,
            images=self.args.images,
        )
        keras.utils.set_random_seed(self.args.seed)
        model = self._network()
        if self.args.freeze_to is not None:
            freeze_to(model, self.args.freeze_to)
        teacher = self._teacher()
        configuration = self._configuration()
        self._note(configuration)
        self._say(model)
        began = time.monotonic()
        rows = fit(
            model,
            self.recipe,
            self.dataset,
            self.args.directory,
            seed=self.args.seed,
            teacher=teacher,
            about=self._about(configuration),
            verbose=1 if sys.stdout.isatty() else 2,
        )
        self._finish(rows, time.monotonic() - began)

    def _start_from_model(self):
        """The file tells what is not asked for: cells, size of the images."""
        given = [name for name in self._options() if name != "model"]
        if self.args.preset is not None:
            given.append("preset")
        if given:
            raise ValueError(
                "--model has its own network and weights. Received with it: "
                f"{', '.join('--' + n.replace('_', '-') for n in given)}"
            )
        self.origin = read_about(self.args.model)
        self.preset, self.name = None, self.args.model
        side = self.args.image_size or self.origin.get("image_size")
        if side is not None:
            self.recipe = dataclasses.replace(self.recipe, image_size=side)

    def _network(self):
        if self.args.model is None:
            return build_network(
                self.preset, self.recipe, self.dataset, **self._options()
            )
        model = load_model(self.args.model)
        if self.args.drop_path_rate is None and not has_drop_path(model):
            self.recipe = dataclasses.replace(self.recipe, drop_path_rate=0.0)
        classes = list(self.dataset.classes)
        if self.origin.get("class_names") == classes:
            return model
        return replace_head(model, len(classes))

    def _set_up_keras(self):
        keras.config.set_dtype_policy(self.args.precision)
        if not self.args.distribute:
            return
        if keras.backend.backend() != "jax":
            raise ValueError(
                "--distribute is Keras' own distribution, which runs on JAX: "
                "set KERAS_BACKEND=jax. Received: the backend "
                f"{keras.backend.backend()!r}"
            )
        keras.distribution.set_distribution(keras.distribution.DataParallel())

    def _options(self):
        options = {
            name: getattr(self.args, name)
            for name in ("cells_per_stack", "filters", "weights", "model")
            if getattr(self.args, name) is not None
        }
        if self.args.genotype is not None:
            options["genotype"] = nasnet_keras.load_genotype(self.args.genotype)
        return options

    def _teacher(self):
        if self.args.teacher is None:
            return None
        teacher = load_model(self.args.teacher)
        classes = read_about(self.args.teacher).get("class_names")
        if classes and classes != list(self.dataset.classes):
            raise ValueError(
                "--teacher must tell the classes of the data apart. Received: "
                f"{self.args.teacher}, which knows {', '.join(classes)}"
            )
        return teacher

    def _configuration(self):
        """What the curve depends on."""
        teaching = {
            name: str(getattr(self.args, name))
            for name in ("teacher", "freeze_to")
            if getattr(self.args, name) is not None
        }
        return {
            "precision": keras.config.dtype_policy().name,
            "fine_tuning": teaching,
            "preset": self.preset and self.preset.name,
            "network": {
                name: str(value) for name, value in self._options().items()
            },
            "recipe": dataclasses.asdict(self.recipe),
            "data": {
                "name": self.dataset.name,
                "sha256": self.dataset.digest,
                "training_images": len(self.dataset.train[0]),
                "validation_images": len(self.dataset.validation[0]),
            },
            "seed": self.args.seed,
        }

    def _note(self, configuration):
        """Writes `run.json`; refuses a folder of another training."""
        path = self.args.directory / RUN_FILE
        # As JSON gives it back: tuples become lists.
        configuration = json.loads(json.dumps(configuration))
        if any((self.args.directory / CHECKPOINTS).glob("*.keras")):
            before = json.loads(path.read_text())["configuration"]
            self._refuse_another(before, configuration)
            return
        content = {
            "command": shlex.join(["nasnet", *sys.argv[1:]]),
            "configuration": configuration,
            "produced_by": provenance(),
        }
        write_atomically(path, json.dumps(content, indent=1) + "\n")

    def _refuse_another(self, before, configuration):
        # A setting that is younger than the run has its default in it.
        before = {"precision": "float32", "fine_tuning": {}, **before}
        defaults = dataclasses.asdict(Recipe(1, 1, 1.0))
        before["recipe"] = {**defaults, **before["recipe"]}
        lines = list(differences(before, configuration))
        if lines:
            raise ValueError(
                f"--directory {self.args.directory} holds another training. "
                "Nothing was changed. Give its own arguments to go on, or a "
                "new folder. These differ:\n  " + "\n  ".join(lines)
            )

    def _about(self, configuration):
        cells = {k: v for k, v in self.origin.items() if k == "genotype"}
        return {
            **cells,
            "class_names": list(self.dataset.classes),
            "image_size": self.recipe.image_size,
            "images": "values of 0 to 255",
            **configuration,
        }

    def _say(self, model):
        print(
            f"{self.name}: {model.count_params():,} parameters; "
            f"{self.dataset.name}: {len(self.dataset.train[0]):,} images to "
            f"train on, {len(self.dataset.validation[0]):,} to validate",
            flush=True,
        )

    def _finish(self, rows, seconds):
        print(
            f"{self.args.directory / MODEL_FILE}: after {len(rows)} epochs "
            f"({seconds / 60:.0f} min in this process)",
            flush=True,
        )
