"""What the commands of `hotswap` do: a module each, with `main(arguments) -> exit status`."""
