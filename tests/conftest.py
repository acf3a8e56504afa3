"""What all tests share: options, the data folder, networks built once."""

import faulthandler
import os
import pathlib
import runpy
import signal
import sys

# Before anything imports TensorFlow: only its errors are worth reading.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:
    # A core for each worker: threads that wait for each other are slow.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    # One alone can wait for itself: a dataset waits in it for its own work.
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

# A background job ignores Ctrl-C, and so would processes that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Seconds after which a test marked `long` fails; others: see pyproject.toml.
LONG_TIMEOUT = 2400

ROOT = pathlib.Path(__file__).resolve().parents[1]


def read_tensors_that_carry_gradients():
    """Lets NumPy read torch's tensors like those of other backends."""
    import torch

    def array(self, dtype=None, copy=None):
        values = self.detach().cpu().numpy()
        return values if dtype is None else values.astype(dtype)

    torch.Tensor.__array__ = array


if os.environ.get("KERAS_BACKEND") == "torch":
    read_tensors_that_carry_gradients()


def pytest_addoption(parser):
    parser.addoption(
        "--all",
        action="store_true",
        help="run the tests marked `long` as well (make test-all)",
    )


def pytest_collection_modifyitems(config, items):
    mark = pytest.mark.skip(reason="long: only `make test-all` (--all) runs it")
    if config.getoption("--all"):
        mark = pytest.mark.timeout(LONG_TIMEOUT)
    for item in items:
        if "long" in item.keywords:
            item.add_marker(mark)


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item):
    """A crash prints its stack where it can be read: tests redirect it."""
    file = item.config.stash.get(fault_handler_stderr_fd_key, None)
    if file is not None:
        faulthandler.enable(file=file)


def data_folder():
    """Returns the folder of the shared test data, which may not exist."""
    default = ROOT.parent / "shared" / "data"
    return pathlib.Path(os.environ.get("NASNET_TEST_DATA", default))


@pytest.fixture(scope="session")
def shared_data():
    """Function from a relative path to the shared file; skips if absent."""

    def find(*parts):
        path = data_folder().joinpath(*parts)
        if not path.exists():
            pytest.skip(
                f"no test data at {path}: set NASNET_TEST_DATA to the folder "
                "that holds them"
            )
        return path

    return find


@pytest.fixture(scope="session")
def odd_folders(shared_data, tmp_path_factory):
    """The image folders of `odd_images/make.py`: not to be changed."""
    folder = tmp_path_factory.mktemp("odd")
    make = runpy.run_path(str(shared_data("odd_images", "make.py")))["make"]
    make(folder)
    return folder


@pytest.fixture(scope="session")
def mobile():
    """NASNetMobile with arbitrary weights: a test may set them."""
    import nasnet_keras

    return nasnet_keras.NASNetMobile(weights=None)


@pytest.fixture
def operations():
    """The table of operations; what the test adds is removed afterwards."""
    from nasnet_keras.cells.operations import OPERATIONS

    before = dict(OPERATIONS)
    yield OPERATIONS
    OPERATIONS.clear()
    OPERATIONS.update(before)


@pytest.fixture
def server(tmp_path):
    """A real web server, see `tests.support.server`."""
    from tests.support.server import serving

    with serving(tmp_path / "served") as server:
        yield server


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache of the test, and of the processes that it starts."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "home" / "models" / "nasnet_keras"


@pytest.fixture
def without_tensorflow(monkeypatch):
    """Makes every import of TensorFlow and TensorFlow Datasets fail."""
    for name in ("tensorflow", "tensorflow_datasets"):
        monkeypatch.setitem(sys.modules, name, None)
