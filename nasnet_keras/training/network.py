"""The network that a recipe trains."""

from nasnet_keras.zoo import from_preset


def build_network(preset, recipe, dataset, weights=None, **options):
    """Returns the network of a preset as a recipe trains it on a dataset.

    It takes images of 0 to 255, of any size unless it has the auxiliary head,
    and gives probabilities.

    Args:
        preset: A preset's name, folder or `Preset`.
        recipe: `Recipe`.
        dataset: `nasnet_keras.training.data.dataset.Dataset`.
        weights: As in `from_preset`; random by default.
        options: Other arguments of `nasnet_keras.NASNet`.
    """
    auxiliary = recipe.auxiliary_weight > 0
    side = recipe.image_size if auxiliary else None
    return from_preset(
        preset,
        weights=weights,
        classes=len(dataset.classes),
        input_shape=(side, side, dataset.input_shape[-1]),
        auxiliary_head=auxiliary,
        drop_path_rate=recipe.drop_path_rate,
        dropout_rate=recipe.dropout_rate,
        include_preprocessing=recipe.preprocessing,
        **options,
    )
