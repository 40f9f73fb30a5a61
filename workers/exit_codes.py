"""How a job's child tells its parent that the job's end is recorded."""

ENDED = 0
CRASHED = 70  # EX_SOFTWARE of sysexits.h
