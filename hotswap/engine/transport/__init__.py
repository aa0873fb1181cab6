"""How an engine talks over one socket: TLS, the client's socket as the application sees it, calls that keep the GIL."""
