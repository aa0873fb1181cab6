"""The version of hotswap: here and nowhere else.

In a module of its own, because asking what is installed (importlib.metadata) costs 20 ms of each start, and no part of
the package may import the package itself.
"""

VERSION = "0.1.0"
