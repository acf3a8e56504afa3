"""Model cards: what a set of weights is, where it is from, what is known."""

NOT_MEASURED = "not measured here"


def weights_card(preset, name):
    """Returns the card of a preset's published weights, as Markdown.

    Args:
        preset: `nasnet_keras.presets.Preset`.
        name: String, the name of its weights.
    """
    weights = preset.weights[name]
    hashes = weights.md5 or (
        "none is published; SHA-256 and size are recorded at the first "
        "download and compared afterwards"
    )
    facts = {
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
        f"`python pretrained/verify.py --preset {preset.name}` measures it",
    }
    if weights.no_top_url:
        facts["File without classifier"] = weights.no_top_url
        facts["Its MD5"] = weights.no_top_md5
    return _card(f"{preset.title}: {name}", facts)


def preset_card(preset, parameters):
    """Returns the card of a preset folder, as Markdown.

    Args:
        preset: `nasnet_keras.presets.Preset`.
        parameters: Integer, the number of the network's parameters.
    """
    configuration = preset.configuration
    semantics = configuration.get("pooling_semantics", "tf_slim")
    scaled = configuration.get("include_preprocessing", False)
    names = preset.class_names
    facts = {
        "Network": preset.title or preset.name,
        "Parameters": f"{parameters:,}",
        "Image size": f"{preset.image_size}x{preset.image_size}",
        "Classes": ", ".join(names) if isinstance(names, tuple) else names,
        "Pooling semantics": f"`{semantics}`",
        "Preprocessing": "none: it takes RGB values 0 to 255"
        if scaled
        else "`x / 127.5 - 1` of RGB values 0 to 255",
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
