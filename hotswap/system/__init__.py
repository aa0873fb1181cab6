"""What hotswap asks of the operating system, one matter a file. Modules here carry out what their callers decide."""
