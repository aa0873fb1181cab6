"""What a server does, for Prometheus and what reads its format: from the scoreboard, by command or over HTTP."""
