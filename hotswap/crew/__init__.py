"""Who runs the engine: threads in this process, or forked workers under it."""
