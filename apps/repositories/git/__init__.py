"""The git engine: bare repositories on disk, by pygit2 for what the server does and by the git binary for what clients send."""
