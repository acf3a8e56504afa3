"""The command `nasnet`: one module for each subcommand."""
