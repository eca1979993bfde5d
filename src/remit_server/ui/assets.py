"""The static files, named by their content: a changed file has a new URL, so a browser may keep the old for ever."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

STATIC = Path(__file__).parent / "static"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file, ready to send."""

    body: bytes
    media_type: str
    cache_control: str


class Assets:
    """Reads every static file once. A file whose kind is unknown stops the start: nothing is served by accident."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._urls: dict[str, str] = {}
        self._served: dict[str, Asset] = {}
        for file in sorted(folder.iterdir()):
            body, name, media_type = file.read_bytes(), PurePosixPath(file.name), _MEDIA_TYPES[file.suffix]
            hashed = f"{name.stem}-{hashlib.sha256(body).hexdigest()[:12]}{name.suffix}"
            self._urls[file.name] = f"/static/{hashed}"
            self._served[hashed] = Asset(body, media_type, "public, max-age=31536000, immutable")
            # The manifest names its icons, and crawlers ask, without the hash.
            self._served[file.name] = Asset(body, media_type, "public, max-age=3600")

    def url(self, name: str) -> str:
        """The content-hashed path of a file. Raises KeyError when there is none of that name."""
        return self._urls[name]

    def find(self, name: str) -> Asset | None:
        """What to serve at `/static/{name}`, hashed or plain; a dictionary look-up, so no path can leave the folder."""
        return self._served.get(name)
