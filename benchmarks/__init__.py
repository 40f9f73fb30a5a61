"""One script for each claim about speed; `make bench` prints a JSON line for each."""
