"""The table of a network's costs, layer by layer."""

from collections.abc import Sequence

from nasnet_keras.layers.costs import Row, summarize, totals

__all__ = ["Row", "format_rows", "summarize", "totals"]


def format_rows(rows: Sequence[Row], title: str) -> str:
    """Returns a table of `Row`s as text, with the totals at the end."""
    total = Row(
        "total",
        (),
        sum(row.parameters for row in rows),
        sum(row.macs for row in rows),
    )
    width = max(len(row.name) for row in [*rows, total])
    lines = [
        title,
        f"{'layer':{width}}  {'output':>15}  {'parameters':>12}  "
        f"{'multiply-adds':>15}",
    ]
    for row in [*rows, total]:
        shape = "x".join(map(str, row.output_shape))
        lines.append(
            f"{row.name:{width}}  {shape:>15}  {row.parameters:>12,}  "
            f"{row.macs:>15,}"
        )
    return "\n".join(lines)
