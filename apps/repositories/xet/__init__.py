"""The write half of a Xet store, as hf_xet speaks it: chunks come in containers (xorbs), shards say which of them make up a file."""
