"""The hotswap command: main.py reads the command line; every subcommand is a module of its own."""
