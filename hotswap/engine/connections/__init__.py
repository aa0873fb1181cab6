"""Client connections: how they come, wait, move and end, and which thread owns which. Begin at table.py."""
