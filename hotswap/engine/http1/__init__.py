"""HTTP/1.1 between bytes and values: no sockets, no threads."""
