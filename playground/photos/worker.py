"""The decoding child: the only place that opens a picture with Pillow.

Started by `pool` with a memory limit, no key in its environment, and no right to write files. It
reads requests from its standard input and answers on its standard output until either closes.

A message is four bytes of length, a JSON object of that length, and `object["bytes"]` raw bytes.
Requests hold `op` (a name in `OPERATIONS`), `cpu_seconds` and their arguments, and instead of raw
bytes perhaps a `path` (bytes in hex) with its `sha256`; answers hold either `error` (a clause that
follows the file's name) or the result.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError
from pybase64 import b64encode

from playground.photos import header
from playground.photos.asis import as_it_is
from playground.photos.strip import strip

DECODERS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
MEMORY_BYTES = 1 << 30
MAX_FILE_BYTES = 1 << 28
_IDLE_SECONDS = 30.0
_JPEG_QUALITY = 90
# Scaled down, a photograph keeps what a model sees at less; fewer bytes are sent.
_SCALED_QUALITY = 85
# Lossless originals without transparency stay PNG up to here; above, they are photographs.
_PNG_BYTES = 4_000_000
_PNG_PIXELS = 8_000_000
_LOSSLESS = frozenset({"PNG", "GIF", "TIFF", "BMP"})
# Levels of grey: a picture with less between its cells is plain, a step within noise is none.
_LEAST_CONTRAST = 12
_NOISE = 1
_LANCZOS = Image.Resampling.LANCZOS
# For pictures that models look at: nearly as sharp, and a tenth quicker with the decoding in.
_QUICK = Image.Resampling.HAMMING


class Refused(Exception):
    """A picture that is not decoded; the text follows the file's name."""


def _limit() -> None:
    """Bound this process; a platform without these limits keeps the time limit of its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt stops
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        for limit, value in (
            (resource.RLIMIT_AS, MEMORY_BYTES),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(limit, (value, value))


@contextlib.contextmanager
def _clocked(seconds: float) -> Iterator[None]:
    """Kill this process (SIGPROF) when one request uses more than its computing time."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    """Open without decoding.

    Raises:
        Refused: when it is no picture of the allowed kinds or has too many pixels.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=DECODERS)
    except UnidentifiedImageError:
        msg = f"its data are not readable as a picture (it seems to be {header.kind(data[:1024])})"
        raise Refused(msg) from None
    if image.width * image.height > max_pixels:
        msg = (
            f"it has {image.width * image.height:,} pixels ({image.width}x{image.height}); "
            f"at most {max_pixels:,} are decoded"
        )
        raise Refused(msg)
    # All of it is in memory: in one piece, not in 64 kB that are joined again each time.
    image.decodermaxblock = max(image.decodermaxblock, len(data))
    return image


def _orientation(image: Image.Image, data: bytes) -> int:
    """The turn that is still to be made: 1 (none) to 8."""
    read = header.of_bytes(data)
    if read is not None:
        return read.orientation
    # Pillow turns TIFF by itself, and reports an AVIF's turn as Exif.
    return 1 if image.format == "TIFF" else int(image.getexif().get(0x0112, 1))


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def fit(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size within a square of `longest` pixels, rounded half up, never larger than it was."""
    long = max(width, height)
    if long <= longest:
        return width, height
    return (
        max(1, (2 * width * longest + long) // (2 * long)),
        max(1, (2 * height * longest + long) // (2 * long)),
    )


def _plain(image: Image.Image) -> Image.Image:
    """The picture in L, RGB, RGBA or CMYK: what can be scaled."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        # 16-bit greys use their whole range; scientific values are stretched to what they hold.
        wide16 = image.mode.startswith("I;16")
        extrema = (0, 65_535) if wide16 else image.getextrema()
        low, high = cast("tuple[float, float]", extrema)
        scale = 255.0 / ((high - low) or 1)
        wide = image.convert("I") if wide16 else image
        return wide.convert("F").point(lambda v: v * scale + -low * scale).convert("L")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in {"L", "RGB", "CMYK"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _is_srgb(profile: bytes) -> bool:
    """Whether a colour profile calls itself sRGB (in ASCII, or UTF-16 since version 4)."""
    return b"sRGB" in profile[:4096] or "sRGB".encode("utf-16-be") in profile[:4096]


def _standard_colours(image: Image.Image) -> Image.Image:
    """Convert from the embedded colour profile to sRGB, which is what an untagged picture means."""
    profile = image.info.get("icc_profile")
    if profile and not _is_srgb(profile) and image.mode != "L":
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            mode = "RGBA" if image.mode == "RGBA" else "RGB"
            made = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode=mode,
            )
            if made is not None:
                return made
    return image.convert("RGB") if image.mode == "CMYK" else image


def _decode(
    image: Image.Image, turn: int, longest: int | None, filter_: Image.Resampling = _LANCZOS
) -> Image.Image:
    """Decode, scale so that the longest side has `longest` pixels, turn upright, no metadata."""
    width, height = fit(image.width, image.height, longest or max(image.size))
    if image.format == "JPEG":
        image.draft(None, (width, height))
    profile = image.info.get("icc_profile")
    image.load()
    image = _plain(image)
    if image.size != (width, height):
        # Pillow's default gap of 2 would decode three times as many pixels for the same result.
        image = image.resize((width, height), filter_, reducing_gap=1.0)
    image.info = {"icc_profile": profile} if profile else {}
    image = _standard_colours(image)
    if turn in _TURNS:
        image = image.transpose(_TURNS[turn])
    image.info = {}
    return image


def _has_alpha(image: Image.Image) -> bool:
    return image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != 255


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _encode(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def measure(data: bytes, *, max_pixels: int) -> tuple[dict[str, Any], bytes]:
    """Format and size as shown, for the kinds whose header is not read in plain Python."""
    image = _open(data, max_pixels)
    width, height = image.size
    if _orientation(image, data) >= 5:
        width, height = height, width
    return _described(str(image.format).lower(), (width, height)), b""


def prepare(
    data: bytes, *, max_pixels: int, resize: int | None, formats: list[str], reduce: int = 1
) -> tuple[dict[str, Any], bytes]:
    """A whole picture to what is sent: upright, scaled, one of `formats`, without metadata."""
    image = _open(data, max_pixels)
    source = str(image.format)
    turn = _orientation(image, data)
    unchanged = turn == 1 and max(image.size) <= (resize or max(image.size))
    if unchanged and source.lower() in formats and not _foreign_colours(image):
        plain = strip(data, source.lower())
        if plain is not None:
            size = image.size
            image.load()  # proves that the picture is whole
            return _described(source.lower(), size), plain
    scaled = max(image.size) > (resize or max(image.size))
    if resize is None and reduce > 1 and source == "JPEG":
        image.draft(None, (image.width // reduce, image.height // reduce))
    image = _decode(image, turn, resize, _QUICK)
    alpha = _has_alpha(image)
    if image.mode == "RGBA" and not alpha:
        image = image.convert("RGB")
    few = image.width * image.height <= _PNG_PIXELS
    lossless = source in _LOSSLESS and (few or "jpeg" not in formats)
    if "png" in formats and (alpha or lossless):
        made = _encode(image, "PNG", compress_level=6 if few else 1)
        if alpha or "jpeg" not in formats or len(made) <= _PNG_BYTES:
            return _described("png", image.size), made
    if "jpeg" in formats:
        flat = _on_white(image) if alpha else image
        quality = _SCALED_QUALITY if scaled else _JPEG_QUALITY
        return _described("jpeg", image.size), _encode(flat, "JPEG", quality=quality)
    format_ = formats[0]
    return _described(format_, image.size), _encode(image, format_.upper())


def ready(
    data: bytes,
    *,
    max_pixels: int,
    resize: int | None,
    reduce: int,
    formats: list[str],
    shown: list[int],
    as_base64: bool,
    turned: bool = False,
) -> tuple[dict[str, Any], bytes]:
    """What is sent of a photo: as it is where it can be, else prepared; perhaps in base64."""
    plain = None
    width, height = shown
    if "jpeg" in formats and (resize is None or max(shown) <= resize):
        plain = as_it_is(data, (width, height), turned=turned)
    if plain is not None:
        result, made = _described("jpeg", (width, height)), plain
    else:
        result, made = prepare(
            data, max_pixels=max_pixels, resize=resize, formats=formats, reduce=reduce
        )
    return result, b64encode(made) if as_base64 else made


def _foreign_colours(image: Image.Image) -> bool:
    """Whether dropping the colour profile would change how the picture looks."""
    profile = image.info.get("icc_profile")
    return image.mode == "CMYK" or bool(profile and not _is_srgb(profile))


def thumbnail(data: bytes, *, max_pixels: int, edge_px: int) -> tuple[dict[str, Any], bytes]:
    """A small WebP of a picture."""
    image = _open(data, max_pixels)
    image = _decode(image, _orientation(image, data), edge_px)
    made = _encode(image, "WEBP", quality=78, method=2)
    return _described("webp", image.size), made


def copies(
    data: bytes, *, max_pixels: int, boxes: list[tuple[int, int, str, int]]
) -> tuple[dict[str, Any], bytes]:
    """Copies within boxes (width, height, format, quality), from one decoding, one after another.

    Every one is encoded anew from the pixels; transparent ones become white where the format
    (JPEG) has no transparency.
    """
    image = _open(data, max_pixels)
    longest = max(max(width, height) for width, height, _, _ in boxes)
    whole = _decode(image, _orientation(image, data), longest)
    whole = whole if _has_alpha(whole) else whole.convert("RGB")
    made, described = [], []
    for width, height, format_, quality in boxes:
        scale = min(1.0, width / whole.width, height / whole.height)
        size = max(1, round(whole.width * scale)), max(1, round(whole.height * scale))
        copy = whole if size == whole.size else whole.resize(size, _LANCZOS, reducing_gap=2.0)
        if format_ == "jpeg":
            flat = _on_white(copy) if copy.mode == "RGBA" else copy
            made.append(_encode(flat, "JPEG", quality=quality, optimize=True))
        else:
            made.append(_encode(copy, "WEBP", quality=quality, method=2))
        described.append({**_described(format_, size), "length": len(made[-1])})
    return {"copies": described}, b"".join(made)


def look(data: bytes, *, max_pixels: int) -> tuple[dict[str, Any], bytes]:
    """A picture's look (see `similar`): a bit for each cell that is brighter than its neighbour,
    across and down, then the mean colour. No bytes for a picture without contrast.
    """
    image = _open(data, max_pixels)
    image = _decode(image, _orientation(image, data), 64)
    image = (_on_white(image) if image.mode == "RGBA" else image).convert("RGB")
    box = Image.Resampling.BOX
    grey = image.convert("L")
    across = list(grey.resize((9, 8), box).tobytes())
    down = list(grey.resize((8, 9), box).tobytes())
    if max(across) - min(across) < _LEAST_CONTRAST:
        return {}, b""
    bits = 0
    for at in range(72):
        if at % 9 < 8:
            bits = bits << 1 | (across[at] > across[at + 1] + _NOISE)
    for at in range(64):
        bits = bits << 1 | (down[at] > down[at + 8] + _NOISE)
    return {}, bits.to_bytes(16, "big") + image.resize((1, 1), box).tobytes()


def _described(format_: str, size: tuple[int, int]) -> dict[str, Any]:
    return {"format": format_, "width": size[0], "height": size[1]}


OPERATIONS: dict[str, Callable[..., tuple[dict[str, Any], bytes]]] = {
    "copies": copies,
    "measure": measure,
    "prepare": prepare,
    "ready": ready,
    "thumbnail": thumbnail,
    "look": look,
}


def answer(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """Do one request; every failure of a picture becomes an `error` clause."""
    operation = OPERATIONS[request.pop("op")]
    del request["bytes"]
    path, known = request.pop("path", None), request.pop("sha256", None)
    try:
        if path is not None:
            data = _file(path, known)
        with _clocked(request.pop("cpu_seconds")):
            return operation(data, **request)
    except Refused as refused:
        return {"error": str(refused)}, b""
    except MemoryError:
        return {"error": f"decoding it needs more than {MEMORY_BYTES >> 20:,} MiB of memory"}, b""
    except Exception as problem:  # a decoder may raise anything on hostile data
        what = " ".join(str(problem).split())[:200] or type(problem).__name__
        return {"error": f"it is damaged or cut short ({what})"}, b""


def _file(path: str, sha256: str) -> bytes:
    """A photo's bytes, read here so that megabytes need not pass a pipe.

    Raises:
        Refused: when it is no longer the file that was measured.
    """
    try:
        with open(bytes.fromhex(path), "rb", buffering=0) as file:  # noqa: PTH123  as little as possible is loaded here
            data = file.read(min(os.fstat(file.fileno()).st_size, MAX_FILE_BYTES))
    except OSError as problem:
        msg = f"it cannot be read ({problem.strerror or type(problem).__name__})"
        raise Refused(msg) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        msg = "the file has changed since it was measured"
        raise Refused(msg)
    return data


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the other side closes, or this process has been orphaned."""
    parent = os.getppid()
    while True:
        if os.name == "posix":
            while not select.select([requests], [], [], _IDLE_SECONDS)[0]:
                if os.getppid() != parent:
                    return
        head = requests.read(4)
        if len(head) < 4:
            return
        request = json.loads(requests.read(int.from_bytes(head, "big")))
        result, data = answer(request, requests.read(request["bytes"]))
        text = json.dumps(result | {"bytes": len(data)}).encode()
        answers.write(len(text).to_bytes(4, "big") + text + data)
        answers.flush()


def main() -> None:
    """Take over standard input and output, set the limits, serve."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a decoder that prints must not break the protocol
    _limit()
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before anything is decoded
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    serve(sys.stdin.buffer, answers)
