"""Both ends of a restart: what a process passes to its successor, and what a successor takes when it is imported."""
