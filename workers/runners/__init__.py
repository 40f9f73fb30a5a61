"""One module for each job kind: `run(ctx)` does the work and returns the job's result."""
