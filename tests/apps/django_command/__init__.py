"""A Django application whose one command serves; its settings are beside it."""
