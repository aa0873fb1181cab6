"""What runs an engine, in this process or in forked workers.

runner.py is the interface; choose.py makes one of its two kinds: single.py (threads here), cluster.py (forked workers).
supervisor.py keeps a cluster's slots filled and hears the workers' news, health.py ends the stuck ones, spawn.py forks.
handle.py is the server process's view of one worker; channel.py the two words they speak: orders and news.
native/ has the main loops of a worker with our engine, foreign/ what stands in front of gunicorn's worker classes.
lifecycle/worker_transitions.py says what a worker does next; context.py has what workers are given.
"""
