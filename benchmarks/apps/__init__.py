"""The applications that every server runs."""
