"""Run by git before and after refs move, by a bare interpreter: passes the updates to the web process and its verdict back to git."""

import json
import os
import socket
import sys


def main() -> int:
    question = {
        "stage": sys.argv[1],
        "updates": [line.split(" ", 2) for line in sys.stdin.read().splitlines()],
        "environment": {
            name: os.environ[name]
            for name in ("GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
            if name in os.environ
        },
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["ATRIUM_HOOK_SOCKET"])
        connection.sendall(json.dumps(question).encode() + b"\n")
        answer = json.loads(connection.makefile().readline())
    if answer["ok"]:
        return 0
    sys.stderr.write(answer["message"] + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
