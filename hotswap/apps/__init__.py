"""The application: importing it, telling WSGI from ASGI, and which application answers at which address."""
