"""Live connections between processes.

engine_node.py runs an engine whose connections move; incoming.py and outbox.py are its two ways, over the exchange
(exchange.py), the one socket pair that all processes of a server share. balance.py says which process should have how
many, leftover_listeners.py keeps those that a successor does not have.
"""
