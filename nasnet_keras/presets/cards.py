"""Model cards, as Markdown."""

from nasnet_keras.presets.types import Preset

NOT_MEASURED = "not measured here"


def weights_card(preset: Preset, name: str) -> str:
    """Returns the card of a preset's published weights.

    Args:
        preset: `nasnet_keras.presets.Preset`.
        name: String, the name of its weights.
    """
    weights = preset.weights[name]
    if weights.format == "shipped":
        return shipped_card(preset, name)
    hashes = weights.md5 or (
        "none is published; SHA-256 and size are recorded at the first "
        "download and compared afterwards"
    )
    facts: dict[str, str | None] = {
        "Network": f"{preset.title}, preset `{preset.name}`",
        "Weights": f'`weights="{name}"`, {weights.classes} classes',
        "Source": weights.source,
        "File": weights.url,
        "MD5": hashes,
        "Licence": weights.licence,
        "Trained with pooling semantics": f"`{weights.pooling_semantics}`",
        "Preprocessing": f"`{weights.preprocessing}` of RGB values 0 to 255",
        "Image size": f"{preset.image_size}x{preset.image_size}",
        "Reported top-1 / top-5": weights.reported,
        "Accuracy of this implementation": f"{NOT_MEASURED}; "
        f"`nasnet evaluate --preset {preset.name} --weights {name} "
        "--data FOLDER` measures it",
    }
    if weights.no_top_url:
        facts["File without classifier"] = weights.no_top_url
        facts["Its MD5"] = weights.no_top_md5
    return _card(f"{preset.title}: {name}", facts)


def shipped_card(preset: Preset, name: str) -> str:
    """Returns the card of weights that we trained.

    Args: see `weights_card`.
    """
    weights = preset.weights[name]
    record = weights.record()
    test, half = record["test"], record["half_precision"]
    made, configuration = record["produced_by"], record["configuration"]
    options = {**preset.configuration, **weights.configuration}
    arguments = ", ".join(f"{k}={value!r}" for k, value in options.items())
    facts: dict[str, str | None] = {
        "Network": f"`NASNet({arguments})`, {record['parameters']:,} "
        "parameters",
        "Load": f'`from_preset("{preset.name}", weights="{name}")`, offline',
        "Source": weights.source,
        "File": f"`shipped/{weights.url}`, {record['bytes'] / 1e6:.1f} MB; "
        "kernels in half precision, which moves probabilities by at most "
        f"{half['largest_difference']:.0e} and leaves {half['equal']:.2%} of "
        "2,000 images in their class",
        "Licence": weights.licence,
        "Trained with pooling semantics": f"`{weights.pooling_semantics}`",
        "Preprocessing": f"`{weights.preprocessing}` of RGB values 0 to 255, "
        "or `include_preprocessing=True`",
        "Image size": f"{preset.image_size}x{preset.image_size}",
        "Trained on": f"{configuration['data']['training_images']:,} images "
        f"of {configuration['data']['name']}",
        "Accuracy": f"**{test['top1']:.2%}** of the {test['images']:,} test "
        f"images, at which we looked once",
        "Time": f"{record['minutes']:.0f} minutes for "
        f"{len(record['history'])} epochs, beside other work on the machine",
        "Machine": f"{made['machine']}; Keras {made['keras']}, "
        f"{made['backend']} {made[made['backend']]}",
    }
    recipe = configuration["recipe"]
    lines = "\n".join(f"{key} = {value}" for key, value in recipe.items())
    picture = weights.url.replace(".weights.h5", ".png")
    return (
        f"{_card(f'{preset.name}: {name}', facts)}\n"
        f"## Command\n\n    {record['command']}\n\n"
        f"    nasnet evaluate --preset {preset.name} --weights {name}\n\n"
        f"## Curve\n\n![loss and accuracy by epoch](shipped/{picture})\n\n"
        f"## Recipe\n\n```\n{lines}\n```\n"
    )


def preset_card(preset: Preset, parameters: int) -> str:
    """Returns the card of a preset folder.

    Args:
        preset: `nasnet_keras.presets.Preset`.
        parameters: Integer, the number of the network's parameters.
    """
    configuration = preset.configuration
    semantics = configuration.get("pooling_semantics", "tf_slim")
    scaled = configuration.get("include_preprocessing", False)
    names = preset.class_names
    facts: dict[str, str | None] = {
        "Network": preset.title or preset.name,
        "Parameters": f"{parameters:,}",
        "Image size": f"{preset.image_size}x{preset.image_size}",
        "Classes": ", ".join(names) if isinstance(names, tuple) else names,
        "Pooling semantics": f"`{semantics}`",
        "Preprocessing": "none: it takes RGB values 0 to 255"
        if scaled
        else "not in the network: give it the values that it was trained on "
        "(`nasnet predict --input-range`)",
        "Accuracy": NOT_MEASURED,
        "Load": f'`nasnet_keras.from_preset("{preset.name}")`, with the path '
        "of this folder",
    }
    genotype = configuration.get("genotype")
    card = _card(preset.name, {k: v for k, v in facts.items() if v})
    return f"{card}\n## Genotype\n\n```python\n{genotype!r}\n```\n"


def _card(title, facts):
    lines = [f"# {title}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    return "\n".join(lines) + "\n"
