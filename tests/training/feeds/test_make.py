"""The right feed for each dataset, with and without TensorFlow."""

import json
import os
import subprocess
import sys

import pytest

from nasnet_keras.training.data import load_dataset
from nasnet_keras.training.feeds.decoding import DecodingFeed
from nasnet_keras.training.feeds.make import make_feed
from nasnet_keras.training.feeds.memory import Feed
from tests.conftest import ROOT
from tests.training.numpy_probe import hashes, make_feeds


def test_the_right_feed(make_recipe):
    dataset = load_dataset("digits", image_size=8)
    assert type(make_feed(dataset, make_recipe(), 0)) is Feed
    recipe = make_recipe(augmentation="inception")
    assert type(make_feed(dataset, recipe, 0)) is DecodingFeed


@pytest.mark.parametrize(
    "backend", ["jax", pytest.param("torch", marks=pytest.mark.long)]
)
def test_a_training_without_tensorflow_sees_the_same(backend):
    """On another backend, where TensorFlow cannot be imported."""
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.numpy_probe"],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == hashes(make_feeds()[0])
