"""The configuration of Keras in force: read here, set in another process.

`keras.utils.clear_session` resets part of it, and a new process starts from
the defaults.
"""

from typing import Any

import keras

# Each has a function of this name in `keras.config`, and `set_...`. Earlier
# versions of Keras lack some.
SETTINGS = (
    "floatx",
    "epsilon",
    "image_data_format",
    "max_epochs",
    "max_steps_per_epoch",
)
# Each has `is_..._enabled`, `enable_...` and `disable_...`. Flash attention
# has `None` as well: enabled, where it is possible.
SWITCHES = ("interactive_logging", "traceback_filtering", "flash_attention")


def read_keras_state() -> dict[str, Any]:
    """Returns the configuration of Keras as plain data."""
    config = keras.config
    policy = config.dtype_policy()
    if type(policy) is keras.DTypePolicy:
        # To serialize it, Keras would import TensorFlow on every backend.
        plain = policy.name
    else:
        plain = keras.dtype_policies.serialize(policy)
    return {
        "backend": config.backend(),
        "dtype_policy": plain,
        **{
            name: getattr(config, name)()
            for name in SETTINGS
            if hasattr(config, f"set_{name}")
        },
        **{name: getattr(config, f"is_{name}_enabled")() for name in SWITCHES},
    }


def set_keras_state(state: dict[str, Any]) -> None:
    """Sets what `read_keras_state` returned.

    Except the backend: a process chooses it when it imports Keras, by the
    environment variable `KERAS_BACKEND`.
    """
    config = keras.config
    for name in SETTINGS:
        if name in state:
            getattr(config, f"set_{name}")(state[name])
    for name in SWITCHES:
        verb = "disable" if state[name] is False else "enable"
        getattr(config, f"{verb}_{name}")()
    policy = keras.dtype_policies.get(state["dtype_policy"])
    config.set_dtype_policy(policy)
