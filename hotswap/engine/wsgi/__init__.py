"""The WSGI engine: one thread polls and runs requests, others take over when it blocks. Begin at loop.py."""
