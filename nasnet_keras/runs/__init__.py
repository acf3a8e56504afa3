"""What long commands share: folder, files, log, progress, interrupts."""
