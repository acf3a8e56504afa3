"""What the tests of exported files share."""

import keras
import pytest


@pytest.fixture(autouse=True)
def on_tensorflow():
    pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the formats are exported by TensorFlow")
