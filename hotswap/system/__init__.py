"""What hotswap asks of the operating system, one matter a file. Modules here do not decide; they do."""
