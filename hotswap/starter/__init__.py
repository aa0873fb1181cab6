"""The starter: a small parent whose pid stays. It keeps listeners, exchange and scoreboard for the generations of a
server, starts a new one should the server die, and passes signals on; it never runs code of the application."""
