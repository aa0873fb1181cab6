"""Our engine in a worker: hotswap.Worker and its main loops, under our server process and under gunicorn's arbiter."""
