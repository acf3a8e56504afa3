"""`python -m nasnet_keras.cli`, where the command is not installed."""

from nasnet_keras.cli.main import run

run()
