"""Progress over many images, on standard error."""

import importlib.util
import sys
import time
from typing import TextIO

LINE_INTERVAL = 10  # Seconds between two lines where there is no terminal.


class Progress:
    """Shows how many images are done; a context manager.

    A bar on a terminal; elsewhere a line, at most every ten seconds.

    Args:
        total: Integer, the number of images.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.bar = None

    def __enter__(self) -> "Progress":
        self.began = self.last_line = time.monotonic()
        if (
            self.total > 1
            and sys.stderr.isatty()
            and importlib.util.find_spec("tqdm")
        ):
            from tqdm import tqdm

            self.bar = tqdm(
                total=self.total,
                file=sys.stderr,
                dynamic_ncols=True,
                unit=" images",
            )
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def print(self, text: str, file: TextIO) -> None:
        """Prints a line, above the bar if there is one."""
        if self.bar is not None:
            self.bar.write(text, file=file)
        else:
            print(text, file=file, flush=True)

    def update(self, images: int) -> None:
        """Counts images as done."""
        self.done += images
        if self.bar is not None:
            self.bar.update(images)
            return
        now = time.monotonic()
        if now - self.last_line >= LINE_INTERVAL:
            self.last_line = now
            pace = (now - self.began) / self.done
            left = round(pace * (self.total - self.done))
            text = f"image {self.done}/{self.total}"
            self.print(f"{text}, {left // 60}:{left % 60:02d} left", sys.stderr)
