"""The table of presets, for `nasnet models` and the documentation."""

from nasnet_keras.presets import PRESETS, list_presets

HEADER = (
    "preset",
    "network",
    "at",
    "parameters",
    "published",
    "multiply-adds",
    "published",
    "reported accuracy",
    "weights",
)


def preset_row(name, figures):
    """Returns the cells of a preset's row, as strings.

    Args:
        name: String, a preset.
        figures: Dictionary, preset -> parameters and multiply-adds.
    """
    preset, computed = PRESETS[name], figures[name]
    published = preset.published
    return (
        name,
        preset.title,
        str(preset.image_size),
        f"{computed['parameters']:,}",
        (published and published.parameters) or "",
        f"{computed['multiply_adds'] / 1e6:,.1f} M",
        (published and published.macs) or "",
        (published and published.accuracy) or "",
        ", ".join(preset.weights),
    )


def presets_table(figures, test_sized=False):
    """Returns the table of all presets as Markdown."""
    rows = [preset_row(name, figures) for name in list_presets(test_sized)]
    lines = [HEADER, ("---",) * len(HEADER), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def aligned_table(figures, test_sized=False):
    """Returns the table as columns of text."""
    rows = [HEADER]
    rows += [preset_row(name, figures) for name in list_presets(test_sized)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths))
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
