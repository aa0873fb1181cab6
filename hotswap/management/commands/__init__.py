"""`manage.py hotswap`: its one command."""
