"""ASGI applications on an event loop, which has a thread of its own."""
