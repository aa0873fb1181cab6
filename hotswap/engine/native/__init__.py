"""The whole turn of a plain request in C: built where there is a compiler, and chosen in `engine.wsgi.plain_turn`."""
