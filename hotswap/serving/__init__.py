"""The parts of one generation: its resources, what it announces of itself, and how it shuts down."""
