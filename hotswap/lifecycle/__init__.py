"""The life of a generation as pure values: states, transitions, the handoff. No os, no clock, no log."""
