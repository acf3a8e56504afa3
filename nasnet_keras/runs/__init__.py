"""Parts of long runs: folder, files, log, progress, interrupts."""
