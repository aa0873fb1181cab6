"""How do frameworks start hotswap? By a command of their own, beside the one that starts their own server."""
