"""How many tokens: prompt text, pictures out, pictures in (patches, tiles, edits).

Every function says where its rule comes from. Where sources contradict each other or a rule is
not proven, the count is a range and a note says why (`docs: facts` marks: [O] official, [M]
measured usage, [R] reverse-engineered, [3] third-party table).
"""

from __future__ import annotations

import gzip
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from itertools import accumulate, pairwise
from typing import Any

from playground.catalog import Model, VisionRule
from playground.errors import InvalidRequest
from playground.size import Size
from playground.values import Source, TokenRange

# A provider adds a few tokens of its own around a prompt.
IMAGE_PROMPT_OVERHEAD = 6
# Vision: 7 around one short user message (four measured rows of community.openai.com/t/1377015),
# 8 to 12 in others; the exact count is not documented.
CHAT_OVERHEAD = TokenRange(3, 16)
# Each partial image costs 100 image output tokens; fewer may arrive than were asked for [O, guide].
PARTIAL_IMAGE_TOKENS = 100
# Every size=auto delivery that was seen has about the area of 1536x1024, at any ratio [M, four].
AUTO_AREA_PX = 1_572_864
# More patches than this and the request is rejected [M, live error message of 2026-09].
MAX_PATCHES = 30_000

_VOCABULARY_SIZE = 199_998
_PACKED_SHA256 = "440741350e7cfa1c0f4869ce742d1b043550adbda5187adcac9e787edac6fba9"
# tiktoken_ext.openai_public, o200k_base (MIT licence).
_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


@dataclass(frozen=True, slots=True)
class Count:
    """A range of tokens with the reasons for its width and the sources of its rule."""

    range: TokenRange
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def low(self) -> int:
        """The least that can be billed."""
        return self.range.low

    @property
    def high(self) -> int:
        """The most that can be billed."""
        return self.range.high


# -------------------------------------------------------------------------------------------------
# Text


@lru_cache(maxsize=1)
def _encoding() -> Any:
    """The o200k_base encoding from the packaged vocabulary: tiktoken alone would download it."""
    import tiktoken

    ranks = {token: rank for rank, token in enumerate(_vocabulary(_packed()))}
    special = {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}
    return tiktoken.Encoding(
        "o200k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens=special
    )


def _packed() -> bytes:
    packed = gzip.decompress(
        resources.files("playground").joinpath("data/o200k_base.gz").read_bytes()
    )
    if hashlib.sha256(packed).hexdigest() != _PACKED_SHA256:
        msg = "the packaged vocabulary is damaged; install halfpenny again"
        raise RuntimeError(msg)
    return packed


@lru_cache(maxsize=4096)
def count_text(text: str) -> int:
    """o200k_base tokens of a text. Special-token text counts as ordinary text."""
    global _quick_left
    if _quick_left and not _encoding.cache_info().currsize:
        _quick_left -= 1
        if (quick := _count_plain(text)) is not None:
            return quick
    return len(_encoding().encode_ordinary(_encodable(text)))


# How many texts are still counted without loading the whole vocabulary.
_quick_left = 0
_PLAIN_CHARS, _PLAIN_WORD = 2_000, 40
# `_PATTERN` for ASCII.
_PLAIN_PATTERN = re.compile(
    r"""[^\r\nA-Za-z0-9]?(?:[A-Z]*[a-z]+|[A-Z]+[a-z]*)(?:'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD]))?
    |[0-9]{1,3}
    |\ ?[^\sA-Za-z0-9]+[\r\n/]*
    |\s*[\r\n]+
    |\s+(?!\S)
    |\s+""",
    re.ASCII | re.VERBOSE,
)


def expect_few_texts(count: int = 4) -> None:
    """Say that this program counts one prompt or two: that takes a tenth of loading everything."""
    global _quick_left
    _quick_left = count


def _count_plain(text: str) -> int | None:
    """As `count_text` for a short text in ASCII, by looking up only what it needs; else None.

    Byte pair encoding as tiktoken does it: of all neighbours those with the lowest rank are
    joined first.
    """
    if len(text) > _PLAIN_CHARS or not text.isascii():
        return None
    words = [word.encode() for word in _PLAIN_PATTERN.findall(text)]
    if any(len(word) > _PLAIN_WORD for word in words):
        return None
    needed = {
        word[first:last]
        for word in set(words)
        for first in range(len(word))
        for last in range(first + 2, len(word) + 1)
    }
    ranks = {token: rank for rank, token in enumerate(_vocabulary(_packed())) if token in needed}
    return sum(_joined(word, ranks) for word in words)


def _joined(word: bytes, ranks: Mapping[bytes, int]) -> int:
    parts = [word[at : at + 1] for at in range(len(word))]
    while True:
        pairs = [
            (ranks.get(a + b, _VOCABULARY_SIZE), at) for at, (a, b) in enumerate(pairwise(parts))
        ]
        rank, at = min(pairs, default=(_VOCABULARY_SIZE, 0))
        if rank == _VOCABULARY_SIZE:
            return len(parts)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def _vocabulary(packed: bytes) -> Iterator[bytes]:
    """The tokens in rank order: a byte of length for each, then all of them joined.

    Reading the published base64 lines takes twice as long and twice the space; a test proves
    that this gives them back byte for byte.
    """
    ends = accumulate(packed[:_VOCABULARY_SIZE], initial=_VOCABULARY_SIZE)
    return (packed[first:last] for first, last in pairwise(ends))


def split_text(text: str) -> tuple[str, ...]:
    """The text in its tokens' pieces (bytes that are no whole character show as U+FFFD)."""
    encoding = _encoding()
    return tuple(
        encoding.decode_single_token_bytes(token).decode("utf-8", "replace")
        for token in encoding.encode_ordinary(_encodable(text))
    )


def _encodable(text: str) -> str:
    """Lone surrogates (a half-typed emoji) cannot be sent as UTF-8; count them as U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# -------------------------------------------------------------------------------------------------
# Pictures out


def axis_tokens(factor: int, size: Size, *, ties: str = "up") -> int:
    """Output tokens of the gpt-image-2 family for one axis factor, integers only.

    `s = round(factor * short / long)`, then `ceil(factor * s * (2,000,000 + w*h) / 4,000,000)`
    [R, community.openai.com/t/1382699; 43 of 43 measured counts]. How exact ties of the first
    rounding go is not known: `ties` is "up" or "even".
    """
    double, long_px = 2 * factor * size.short_px, size.long_px
    short_steps = (double + long_px) // (2 * long_px)
    is_tie = (double + long_px) % (2 * long_px) == 0
    if ties == "even" and is_tie and short_steps % 2:
        short_steps -= 1
    return -(-(factor * short_steps * (2_000_000 + size.pixels)) // 4_000_000)


def _unrounded_axis(factor: int, size: Size) -> Fraction:
    steps = (2 * factor * size.short_px + size.long_px) // (2 * size.long_px)
    return Fraction(factor * steps * (2_000_000 + size.pixels), 4_000_000)


# 2.5 medium and high have no first-party measurement: fal's and APIMart's tables imply 24 and 48,
# another project (RH_ComfyUI) uses 32 for medium, and high cannot exceed xhigh, which is measured.
_OTHER_FACTOR_25 = {"medium": 32, "high": 64}


def highest_factor(model: Model, quality: str) -> int:
    """The axis factor of the upper bound (differs from the model's own where it is not proven)."""
    if model.output_rule == "axis-25":
        return _OTHER_FACTOR_25.get(quality, model.axis[quality])
    return model.axis[quality]


# Tokens of gpt-image-1 and 1.5 by quality: square, portrait, landscape [O, guide; 4 measured].
_TABLE_1 = {"low": (272, 408, 400), "medium": (1056, 1584, 1568), "high": (4160, 6240, 6208)}


def image_output(model: Model, size: Size | None, quality: str) -> Count:
    """Output tokens of one picture; `size` None and `quality` "auto" mean that the model chooses.

    Raises:
        InvalidRequest: for a quality that the model does not have. Whether the size may be
            *requested* is `model.size_rules`' business: a delivered size is counted as it is.
    """
    if quality not in model.qualities:
        known = ", ".join(model.qualities)
        msg = f"{model.name} has no quality {quality!r}; it has {known}"
        raise InvalidRequest(msg)
    qualities = [q for q in model.qualities if q != "auto"] if quality == "auto" else [quality]
    counts = [_one_quality(model, size, each) for each in qualities]
    notes = [note for count in counts for note in count.notes]
    if quality == "auto":
        notes.append(
            f"quality=auto: the model chooses from {qualities[0]} to {qualities[-1]} (measured "
            "through a gateway: billed as low)"
        )
    if size is None:
        notes.append(
            "size=auto: the model chooses; every delivery seen so far had about 1,572,864 pixels"
        )
    both = TokenRange(min(c.low for c in counts), max(c.high for c in counts))
    return Count(both, tuple(dict.fromkeys(notes)), counts[0].sources)


def _one_quality(model: Model, size: Size | None, quality: str) -> Count:
    if model.output_rule in {"axis-2", "axis-25"}:
        return _axis_count(model, size, quality)
    return _table_count(model, size, quality)


def _axis_count(model: Model, size: Size | None, quality: str) -> Count:
    factor = model.axis[quality]
    notes = []
    if size is None:
        low, high = auto_size_tokens(factor)
    else:
        up, even = axis_tokens(factor, size), axis_tokens(factor, size, ties="even")
        low, high = min(up, even), max(up, even)
        if up != even:
            notes.append(
                f"{size} falls on an exact rounding tie ({even} or {up} tokens); how it is rounded "
                "is not known"
            )
    source = Source(f"output tokens of {model.name}", _AXIS_SOURCE[0], _AXIS_SOURCE[1])
    if model.output_rule == "axis-25":
        source = Source(f"output tokens of {model.name}", *_AXIS_25_SOURCE)
        other = _OTHER_FACTOR_25.get(quality)
        if other:
            high = auto_size_tokens(other)[1] if size is None else axis_tokens(other, size)
            notes.append(
                f"{model.name} {quality} has not been measured: two seller tables imply an axis "
                f"factor of {factor}, it cannot be above {other}"
            )
    return Count(TokenRange(low, high), tuple(notes), (source,))


_AXIS_SOURCE = ("community.openai.com/t/1382699 (43 of 43 measured counts)", "2026-06-05")
_AXIS_25_SOURCE = (
    "fal.ai price grid in litellm 1.106.2; low, xhigh and max measured (MakerAi report)",
    "2026-11",
)


@lru_cache(maxsize=32)
def auto_size_tokens(factor: int) -> tuple[int, int]:
    """The least and the most tokens of a size=auto delivery: about 1,572,864 pixels, any ratio.

    The area is taken two percent wider than the four observations, which lie within 0.1 %.
    """
    counts = []
    for area in (AUTO_AREA_PX * 98 // 100, AUTO_AREA_PX, AUTO_AREA_PX * 102 // 100):
        first, last = math.isqrt(area), math.isqrt(3 * area)
        counts += [axis_tokens(factor, Size(long, area // long)) for long in range(first, last)]
    return min(counts), max(counts)


def _table_count(model: Model, size: Size | None, quality: str) -> Count:
    assert model.size_rules is not None
    table = _TABLE_1[quality]
    source = (
        Source(
            f"output tokens of {model.name}",
            "developers.openai.com/api/docs/guides/image-generation (token table)",
            "2026-10",
        ),
    )
    shapes = range(3) if size is None else [_shape(size)]
    low, high, notes = min(table[i] for i in shapes), max(table[i] for i in shapes), []
    if model.printed:
        rate = model.prices[-1].rates["image_output"]
        printed = max(model.printed[quality][i] for i in shapes)
        high = max(high, math.ceil(printed * 1_000_000 / rate))
        notes.append(
            f"the guide prints ${printed} per picture for {model.name}, more than its token table "
            "gives; the cause is not known"
        )
    elif quality == "high" and 2 in shapes:
        high = max(high, table[1])
        notes.append(
            "the guide's price of a landscape high picture implies 6,240 tokens, its table 6,208"
        )
    return Count(TokenRange(low, high), tuple(notes), source)


def _shape(size: Size) -> int:
    """0 square, 1 portrait, 2 landscape: the columns of the official table."""
    if size.width_px == size.height_px:
        return 0
    return 1 if size.width_px < size.height_px else 2


def several(model: Model, size: Size | None, quality: str, n: int, each: Count) -> Count:
    """Output tokens of `n` pictures in one call.

    They are billed as though made one by one [M, seed thread], "with sometimes 1-token output
    savings" [M, community.openai.com/t/1382940]; rounding up the sum instead of each picture
    would explain that and is taken as the lower bound.
    """
    if n == 1:
        return each
    low = each.low * n
    if size is not None and quality in model.axis:
        low = min(low, math.ceil(n * _unrounded_axis(model.axis[quality], size)))
        low = min(low, each.low * n - 1)
    note = "several pictures in one call have been billed one token under the sum"
    return Count(TokenRange(low, each.high * n), (*each.notes, note), each.sources)


# -------------------------------------------------------------------------------------------------
# Pictures in: edits


def edit_image_input(model: Model, sizes: Iterable[Size], fidelity: str | None = None) -> Count:
    """Input tokens of an edit's pictures (each counted by itself, then added).

    gpt-image-2 and 2.5: enlarge to a longest side of 1024 (at most twice), 32 px patches, at most
    1,536 of them [R and 13 of 13 measured]. Two shrink rules fit every measurement but differ on
    4:3 pictures; the range holds both. gpt-image-1 and 1.5: 512 px tiles, `65 + 129 * tiles`, plus
    4,160 (square) or 6,240 for input_fidelity=high [O].
    """
    if model.edit_rule == "none":
        msg = f"{model.name} does not edit pictures"
        raise InvalidRequest(msg)
    if model.edit_rule == "patches":
        if fidelity is not None:
            msg = f"{model.name} has no input_fidelity; leave it out"
            raise InvalidRequest(msg)
        return _patch_edit(model, list(sizes))
    return _tile_edit(model, list(sizes), fidelity)


def _patch_edit(model: Model, sizes: list[Size]) -> Count:
    total, notes = TokenRange(0, 0), []
    for size in sizes:
        counts = [_edit_patches(size, shrink) for shrink in (_shrink_patches, _shrink_by_steps)]
        if counts[0] != counts[1]:
            notes.append(
                f"two shrink rules fit every published measurement and differ on a {size} picture: "
                f"{min(counts):,} or {max(counts):,} tokens"
            )
        if size.long_px > 3 * size.short_px:
            notes.append("pictures beyond 3 to 1 are capped in a way that was never measured")
            counts.append(_edit_patches(_capped_ratio(size), _shrink_patches))
        total += TokenRange.of(*counts)
    source = Source(
        f"edit input of {model.name}",
        "community.openai.com/t/1382940 and 13 published measurements",
        "2026-07-28",
    )
    return Count(total, tuple(dict.fromkeys(notes)), (source,))


def _capped_ratio(size: Size) -> Size:
    """Padded to 3 to 1 (the widest reading of "aspect ratio capped")."""
    least = -(-size.long_px // 3)
    return Size(max(size.width_px, least), max(size.height_px, least))


def _edit_patches(size: Size, shrink: Callable[[Fraction, Fraction, int], int]) -> int:
    scale = min(Fraction(2), max(Fraction(1), Fraction(1024, size.long_px)))
    width, height = size.width_px * scale, size.height_px * scale
    patches = math.ceil(width / 32) * math.ceil(height / 32)
    return patches if patches <= 1536 else shrink(width, height, 1536)


def _shrink_by_steps(width: Fraction, height: Fraction, budget: int) -> int:
    """The rule of the measuring author's code: to the budget's area, then by 1 % until it fits."""
    patches = math.ceil(width / 32) * math.ceil(height / 32)
    scale = math.sqrt(budget / patches)
    while True:
        count = math.ceil(float(width) * scale / 32) * math.ceil(float(height) * scale / 32)
        if count <= budget:
            return count
        scale *= 0.99


def _tile_edit(model: Model, sizes: list[Size], fidelity: str | None) -> Count:
    tokens, notes = 0, []
    for size in sizes:
        width, height = fit(size.width_px, size.height_px, 2048)
        width, height = short_side(width, height, 512)
        tokens += 65 + 129 * math.ceil(width / 512) * math.ceil(height / 512)
        if fidelity == "high":
            tokens += 4160 if size.width_px == size.height_px else 6240
    low = high = tokens
    if fidelity == "high":
        low, high = tokens * 70 // 100, tokens * 110 // 100
        notes.append(
            "input_fidelity=high was never measured and three sources differ (4,354, about 3,050 "
            "and 4,741 tokens for a square)"
        )
    source = Source(
        f"edit input of {model.name}", "developers.openai.com/api/docs/guides/images-vision", "2026"
    )
    return Count(TokenRange(low, high), tuple(notes), (source,))


def edit_text_overhead(model: Model, images: int) -> Count:
    """Text tokens that an edit adds to its prompt.

    gpt-image-2: 7 in the only measurement (one picture), 6 without pictures. gpt-image-1 and 1.5
    add more with the pictures' shapes (15 to 82 were seen with one); no rule is known.
    """
    if model.edit_rule == "patches":
        return Count(
            TokenRange(IMAGE_PROMPT_OVERHEAD, IMAGE_PROMPT_OVERHEAD + 8 * images),
            ("the text overhead of an edit was measured once (7 tokens with one picture)",),
        )
    return Count(
        TokenRange(IMAGE_PROMPT_OVERHEAD, IMAGE_PROMPT_OVERHEAD + 160 * images),
        (f"edits with {model.name} add text tokens that follow no known rule (15 to 82 seen)",),
    )


# -------------------------------------------------------------------------------------------------
# Pictures in: vision


def fit(width: int, height: int, limit: int) -> tuple[int, int]:
    """Scaled down to a longest side, each side rounded to whole pixels (half up) [M, t/1281361]."""
    long_px = max(width, height)
    if not limit or long_px <= limit:
        return width, height
    return (
        max(1, (2 * width * limit + long_px) // (2 * long_px)),
        max(1, (2 * height * limit + long_px) // (2 * long_px)),
    )


def short_side(width: int, height: int, limit: int) -> tuple[int, int]:
    """Scaled down to a shortest side; the other side is floored (1025 x 1024 -> 512 x 512)."""
    short_px = min(width, height)
    if short_px <= limit:
        return width, height
    return width * limit // short_px, height * limit // short_px


def _shrink(width: Fraction | int, height: Fraction | int, budget: int) -> tuple[int, int]:
    """The size after OpenAI's documented shrink to a patch budget.

    The guard keeps a side that is a whole number of patches from losing one to floating point:
    1800 x 1200 is exactly 48 x 32 patches, and was measured as 1,536.
    """
    w, h = float(width), float(height)
    scale = math.sqrt(1024 * budget / (w * h))
    across, down = w * scale / 32, h * scale / 32
    scale *= min(math.floor(across + 1e-9) / across, math.floor(down + 1e-9) / down)
    return math.floor(w * scale + 1e-9), math.floor(h * scale + 1e-9)


def _shrink_patches(width: Fraction | int, height: Fraction | int, budget: int) -> int:
    width, height = _shrink(width, height, budget)
    return math.ceil(width / 32) * math.ceil(height / 32)


def patch_size(
    width: int, height: int, *, max_edge_px: int = 0, budget: int = 0
) -> tuple[int, int]:
    """The size that is cut into 32-pixel patches: after the fit to a longest side, and the budget.

    The fit comes first: measured with 4000x1474 and 2400x1800 on gpt-4.1-mini.
    """
    width, height = fit(width, height, max_edge_px)
    if budget and math.ceil(width / 32) * math.ceil(height / 32) > budget:
        return _shrink(width, height, budget)
    return width, height


def patches(width: int, height: int, *, max_edge_px: int = 0, budget: int = 0) -> int:
    """32-pixel patches of a picture after the fit to a longest side and a budget (0: none)."""
    width, height = patch_size(width, height, max_edge_px=max_edge_px, budget=budget)
    return math.ceil(width / 32) * math.ceil(height / 32)


def vision_input(
    model: Model, size: Size, detail: str = "auto", endpoint: str = "responses"
) -> Count:
    """Input tokens of one photo of that size, as shown (orientation applied).

    Raises:
        InvalidRequest: when the model takes no photos or lacks the detail level, or the photo
            exceeds 30,000 patches (such a request is rejected).
    """
    rule = model.vision
    if rule is None:
        msg = f"{model.name} makes pictures and does not read photos; choose a vision model"
        raise InvalidRequest(msg)
    if detail not in model.details:
        known = ", ".join(model.details)
        msg = f"{model.name} has no detail {detail!r}; it has {known}"
        raise InvalidRequest(msg)
    count = _VISION_RULES[rule.kind](rule, size, detail, endpoint)
    notes = count.notes
    if model.assumed_vision:
        notes = (*notes, f"{model.name} is not in the published table; its family's rule is used")
    return Count(count.range, notes, (rule.source,))


def looked_at(model: Model, size: Size, detail: str = "auto") -> Size | None:
    """The pixels of a photo that a model looks at, as far as its rule says; None where it doesn't.

    A provider scales a larger photo down to this size before it counts tokens.
    """
    rule = model.vision
    if rule is None or rule.kind != "patches":
        return None
    edge, budget = rule.levels.get(rule.auto if detail == "auto" else detail, (0, 0))
    if rule.other_budget:
        budget = max(budget, rule.other_budget)
    if not edge and not budget:
        return None
    width, height = patch_size(size.width_px, size.height_px, max_edge_px=edge, budget=budget)
    return Size(max(1, int(width)), max(1, int(height)))


def _patch_tokens(rule: VisionRule, size: Size, detail: str, endpoint: str) -> Count:
    edge, budget = rule.levels[rule.auto if detail == "auto" else detail]
    count = patches(size.width_px, size.height_px, max_edge_px=edge, budget=budget)
    if count > MAX_PATCHES:
        msg = (
            f"a {size} photo needs {count:,} patches, more than the {MAX_PATCHES:,} that are "
            "accepted; resize it or choose a lower detail"
        )
        raise InvalidRequest(msg)
    tokens = math.ceil(count * rule.multiplier)
    # "Floating-point rounding may change the count by one" [O]; Chat Completions and some
    # Responses rows showed one more [M].
    low, high, notes = tokens, tokens + 1, []
    if rule.other_budget:
        other = patches(size.width_px, size.height_px, max_edge_px=edge, budget=rule.other_budget)
        if other != count:
            low = math.ceil(other * rule.multiplier)
            notes.append(
                f"the guide gives a budget of {budget:,} patches since 2026, measurements of 2025 "
                f"show {rule.other_budget:,}"
            )
    if rule.chat_low is not None and endpoint == "chat" and count > 432:
        low = min(low, math.floor(count * rule.chat_low * rule.multiplier))
        notes.append(
            "Chat Completions billed large photos 6.5 % below the rule in March 2026; whether it "
            "still does is not known"
        )
    return Count(TokenRange(low, high), tuple(notes))


def _tile_tokens(rule: VisionRule, size: Size, detail: str, endpoint: str) -> Count:
    if detail == "low":
        return Count(TokenRange(rule.base, rule.base + (endpoint == "chat")))
    width, height = fit(size.width_px, size.height_px, 2048)
    width, height = short_side(width, height, 768)
    tiles = math.ceil(width / 512) * math.ceil(height / 512)
    tokens = rule.base + rule.tile * tiles
    return Count(TokenRange(tokens, tokens + (endpoint == "chat")))


def _claude_tokens(rule: VisionRule, size: Size, detail: str, endpoint: str) -> Count:
    del detail, endpoint
    width, height = fit(size.width_px, size.height_px, rule.max_edge_px)
    by_patches = math.ceil(width / 28) * math.ceil(height / 28)
    by_area = math.ceil(width * height / 750)
    if by_patches <= rule.full_below:
        note = "documented as width x height / 750, measured as 28-pixel patches"
        return Count(TokenRange.of(by_patches, by_area), (note,))
    low, high = rule.capped
    note = f"above {rule.full_below:,} tokens the photo is resized in a way that is not published"
    return Count(TokenRange(low, max(low, min(high, by_patches))), (note,))


def _gemini_tiles(rule: VisionRule, size: Size, detail: str, endpoint: str) -> Count:
    del rule, detail, endpoint
    if size.long_px <= 384:
        return Count(TokenRange(258, 258))
    tiles = math.ceil(size.width_px / 768) * math.ceil(size.height_px / 768)
    note = "258 tokens per 768-pixel tile; how tiles are cut is only roughly documented"
    return Count(TokenRange(258, 258 * tiles), (note,))


def _gemini_levels(rule: VisionRule, size: Size, detail: str, endpoint: str) -> Count:
    del size, endpoint
    tokens = rule.level_tokens.get("high" if detail == "auto" else detail, 1120)
    note = "a fixed count per photo at each media resolution; 1,065 to 1,101 was measured at high"
    return Count(TokenRange(tokens * 95 // 100, tokens), (note,))


_VISION_RULES: dict[str, Callable[[VisionRule, Size, str, str], Count]] = {
    "patches": _patch_tokens,
    "tiles": _tile_tokens,
    "claude": _claude_tokens,
    "gemini-tiles": _gemini_tiles,
    "gemini-levels": _gemini_levels,
}


def caption_text(texts: Sequence[str], *, own_tokenizer: bool = True) -> Count:
    """Text tokens of a caption request: its texts plus what the endpoint adds around them.

    `texts` are the prompt and, where one is sent, the JSON schema (which the provider rewrites:
    between nothing and twice its own count was allowed for). A rival's tokenizer is not ours:
    its count is taken as 0.7 to 1.6 times o200k_base's.
    """
    prompt, *schemas = texts
    words = count_text(prompt)
    low, high = words, words
    if not own_tokenizer:
        low, high = words * 7 // 10, math.ceil(words * Decimal("1.6"))
    schema = sum(2 * count_text(text) + 64 for text in schemas if text)
    total = TokenRange(low + CHAT_OVERHEAD.low, high + CHAT_OVERHEAD.high + schema)
    note = "the endpoint adds a few text tokens around the prompt (3 to 16 allowed for)"
    return Count(total, (note,))
