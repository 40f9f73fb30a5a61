"""A folder of 200 MB goes up by Xet, by LFS and by git push, and comes back identical by three clients."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from saas.demo.server import Server, server
from tests.acceptance.lines import ROOT, Outcome

MEBIBYTE = 1024 * 1024
SIZES = {
    "weights/part-0.safetensors": 120 * MEBIBYTE,
    "weights/part-1.bin": 72 * MEBIBYTE,
    "data/table.parquet": 8 * MEBIBYTE,
}


def make_folder(folder: Path, seed: int) -> dict[str, str]:
    """About 200 MB of random bytes and a few small texts; the SHA-256 of each path."""
    generator = random.Random(seed)
    for name, size in SIZES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for _ in range(size // MEBIBYTE):
                file.write(generator.randbytes(MEBIBYTE))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Random bytes\n")
    (folder / "notes.txt").write_text(f"seed {seed}\n")
    return digests(folder)


def digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and relative.parts[0] not in {".git", ".cache"} and path.name != ".gitattributes":
            with path.open("rb") as file:
                found[str(relative)] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def command(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def transfers() -> Outcome:
    from tests.acceptance.spine import free_port

    figures: list[str] = []
    held = True
    with tempfile.TemporaryDirectory(prefix="atrium-transfers-") as directory:
        base = Path(directory)
        port = free_port()
        os.environ["ATRIUM_PORT"] = str(port)
        try:
            with server(base / "home", f"http://127.0.0.1:{port}", ROOT / "manage.py") as found:
                for number, way in enumerate(("xet", "lfs", "git")):
                    wanted = make_folder(base / way, number)
                    started = time.monotonic()
                    upload(found, base, way)
                    seconds = time.monotonic() - started
                    same = {
                        client: download(found, base, way, client) == wanted for client in ("snapshot", "hf", "git")
                    }
                    held = held and all(same.values())
                    verdicts = ", ".join(
                        f"{client} {'identical' if ok else 'DIFFERENT'}" for client, ok in same.items()
                    )
                    figures.append(
                        f"up by {way}: {sum(SIZES.values()) / 1e6:.0f} MB in {seconds:.1f} s; down: {verdicts}"
                    )
        finally:
            del os.environ["ATRIUM_PORT"]
    return Outcome(held, "\n".join(figures))


def environment(found: Server, base: Path, **extra: str) -> dict[str, str]:
    return {
        **os.environ,
        "HF_ENDPOINT": found.url,
        "HF_TOKEN": found.token,
        "HF_HOME": str(base / "hf-home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_GLOBAL": str(base / "gitconfig"),
        **extra,
    }


def address(found: Server, way: str) -> str:
    return found.url.replace("http://", f"http://{found.username}:{found.token}@") + f"/{found.username}/bulk-{way}"


def run(arguments: list[str], env: dict[str, str], cwd: Path | None = None) -> str:
    done = subprocess.run(arguments, env=env, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments[:3])} exited {done.returncode}: {done.stderr[-1500:]}")
    return done.stdout


def upload(found: Server, base: Path, way: str) -> None:
    name = f"{found.username}/bulk-{way}"
    if way != "git":
        extra = {"HF_HUB_DISABLE_XET": "1"} if way == "lfs" else {}
        run([command("hf"), "upload", name, str(base / way), "."], environment(found, base, **extra))
        return
    env = environment(found, base)
    run([command("hf"), "repos", "create", name], env)
    run(["git", "config", "--global", "user.email", "alice@example.org"], env)
    run(["git", "config", "--global", "user.name", "alice"], env)
    run(["git", "lfs", "install"], env)
    work = base / "push"
    run(["git", "clone", "-q", address(found, way), str(work)], env)
    run(["cp", "-r", f"{base / way}/.", str(work)], env)
    run(["git", "lfs", "track", "*.safetensors", "*.bin", "*.parquet"], env, work)
    run(["git", "add", "-A"], env, work)
    run(["git", "commit", "-q", "-m", "Add everything"], env, work)
    run(["git", "push", "-q", "origin", "HEAD:main"], env, work)


def download(found: Server, base: Path, way: str, client: str) -> dict[str, str]:
    env = environment(found, base, HF_HUB_CACHE=str(base / f"cache-{way}-{client}"))
    name, target = f"{found.username}/bulk-{way}", base / f"down-{way}-{client}"
    if client == "git":
        run(["git", "clone", "-q", address(found, way), str(target)], env)
    elif client == "hf":
        run([command("hf"), "download", name, "--revision", "main", "--local-dir", str(target)], env)
    else:
        code = f"from huggingface_hub import snapshot_download; print(snapshot_download({name!r}))"
        target = Path(run([sys.executable, "-c", code], env).strip().splitlines()[-1])
    return digests(target)
