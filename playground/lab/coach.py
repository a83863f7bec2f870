"""The same prompt in fewer tokens: what each word costs, cheaper spellings, a cut to a limit.

Nothing is changed without consent: every change is an offer with its saving, and a cut says which
words go. Words that are locked stay, whatever the limit.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from playground import tokens
from playground.errors import InvalidRequest

MOST_CHARACTERS = 8_000
_WORD = re.compile(r"\S+")
_EDGES = "\"'“”‘’()[].,;:!?"


@dataclass(frozen=True, slots=True)
class Word:
    """A word with the tokens that it takes where it stands."""

    text: str
    tokens: int
    pieces: tuple[str, ...]
    locked: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """A change that saves tokens, to be taken or left. `start` and `end` are characters."""

    kind: str
    before: str
    after: str
    saves: int
    prompt: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The prompt cut to a limit: what is left, what went, whether the limit was met."""

    prompt: str
    tokens: int
    limit: int
    met: bool
    steps: tuple[str, ...]
    dropped: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Coached:
    """A prompt with its words, its offers (the largest saving first) and its cut."""

    prompt: str
    tokens: int
    billed: int
    words: tuple[Word, ...]
    offers: tuple[Offer, ...]
    cut: Cut | None


@lru_cache(maxsize=1)
def _lists() -> dict[str, object]:
    text = resources.files("playground").joinpath("data/coach.toml").read_text("utf-8")
    return tomllib.loads(text)


@lru_cache(maxsize=1)
def synonyms() -> dict[str, str]:
    """Words and phrases (lower case) with a spelling of the same meaning in fewer tokens."""
    listed = _lists()["synonyms"]
    assert isinstance(listed, dict)
    return {str(word): str(other) for word, other in listed.items()}


@lru_cache(maxsize=4)
def _words_of(name: str) -> frozenset[str]:
    listed = _lists()[name]
    assert isinstance(listed, list)
    return frozenset(map(str, listed))


def coach(prompt: str, locked: Iterable[str] = (), limit: int | None = None) -> Coached:
    """What a prompt costs word by word, and how it could cost less.

    Args:
        prompt: as it would be sent.
        locked: words (or phrases) that stay as they are.
        limit: tokens to cut to, the endpoint's overhead not counted.

    Raises:
        InvalidRequest: for an empty or much too long prompt, or a limit that is none.
    """
    if not prompt.strip():
        msg = "there is no prompt yet; write one, and each word shows what it costs"
        raise InvalidRequest(msg)
    if len(prompt) > MOST_CHARACTERS:
        msg = (
            f"the prompt has {len(prompt):,} characters; the coach reads at most "
            f"{MOST_CHARACTERS:,}"
        )
        raise InvalidRequest(msg)
    if limit is not None and not 1 <= limit <= 4000:
        msg = f"a limit goes from 1 to 4,000 tokens, so {limit:,} is none"
        raise InvalidRequest(msg)
    keep = tuple(word.strip().lower() for word in locked if word.strip())
    count = tokens.count_text(prompt)
    return Coached(
        prompt,
        count,
        count + tokens.IMAGE_PROMPT_OVERHEAD,
        _words(prompt, keep),
        offers(prompt, keep),
        None if limit is None else cut(prompt, limit, keep),
    )


def _words(prompt: str, keep: tuple[str, ...]) -> tuple[Word, ...]:
    """Each word with the tokens that begin within it (a token may hold the space before)."""
    starts = []
    at = 0
    for piece in tokens.split_text(prompt):
        starts.append((at, piece))
        at += len(piece)
    spans = [(match.start(), match.end()) for match in _WORD.finditer(prompt)]
    found = []
    for number, (begin, end) in enumerate(spans):
        before = spans[number - 1][1] if number else 0
        pieces = tuple(p for where, p in starts if before <= where < end)
        word = prompt[begin:end]
        found.append(Word(word, len(pieces), pieces, _is_locked(word, keep)))
    return tuple(found)


def _is_locked(word: str, keep: tuple[str, ...]) -> bool:
    bare = word.lower().strip(_EDGES)
    return any(bare == part.strip(_EDGES) for phrase in keep for part in phrase.split())


def _safe(before: str, after: str, keep: tuple[str, ...]) -> bool:
    """Whether every locked phrase still stands in the changed prompt, as often as before."""
    old, new = before.lower(), after.lower()
    return all(_times(phrase, old) <= _times(phrase, new) for phrase in keep)


def _times(phrase: str, text: str) -> int:
    return len(re.findall(rf"(?<!\w){re.escape(phrase)}(?!\w)", text))


def offers(prompt: str, keep: tuple[str, ...] = ()) -> tuple[Offer, ...]:
    """Changes that save tokens and keep the meaning, the largest saving first."""
    found: dict[str, Offer] = {}
    count = tokens.count_text(prompt)

    def offer(kind: str, before: str, after: str, changed: str) -> None:
        saves = count - tokens.count_text(changed)
        if saves > 0 and changed not in found and changed.strip() and _safe(prompt, changed, keep):
            found[changed] = Offer(kind, before, after, saves, changed)

    spaced = _spaced(prompt)
    offer("spacing", "double spaces, line breaks, spaces at the ends", "single spaces", spaced)
    for match in _WORD.finditer(prompt):
        word = match[0]
        lower = word.lower()
        if lower != word and not _is_locked(word, keep) and '"' not in word:
            changed = prompt[: match.start()] + lower + prompt[match.end() :]
            offer("lower case", word, lower, changed)
    for phrase, other in synonyms().items():
        for match in _phrase(phrase).finditer(prompt):
            changed = _tidy(prompt[: match.start()] + other + prompt[match.end() :])
            offer("shorter word" if other else "filler", match[0], other or "nothing", changed)
    stripped = re.sub(r"[.!,;\s]+$", "", prompt)
    offer("closing mark", "the mark at the end", "nothing", stripped)
    return tuple(sorted(found.values(), key=lambda each: (-each.saves, each.kind, each.before)))


@lru_cache(maxsize=512)
def _phrase(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)(?<![\w-]){re.escape(words)}(?![\w-])")


def _spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _tidy(text: str) -> str:
    """Spaces and commas that a removed word left behind."""
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    text = re.sub(r"([,;:])(?:\s*[,;:])+", r"\1", text)
    text = re.sub(r"^[\s,;:.]+|[\s,;:]+$", "", text)
    return _spaced(text)


def cut(prompt: str, limit: int, keep: tuple[str, ...] = ()) -> Cut:
    """The prompt in at most `limit` tokens: first cheaper spellings, then fillers, then the words
    that a picture misses least, from the end. Locked words stay; where they alone need more, the
    limit is not met and the words say so.
    """
    text, steps = prompt, []

    def spell(current: str) -> str:
        while tokens.count_text(current) > limit:
            choices = offers(current, keep)
            if not choices:
                break
            best = choices[0]
            steps.append(f"{best.kind}: {best.before} → {best.after} (−{best.saves})")
            current = best.prompt
        return current

    text = spell(text)
    dropped: list[str] = []
    for name in ("boosters", "fillers"):
        text = _drop(text, limit, keep, dropped, _words_of(name).__contains__)
    text = _drop_clauses(text, limit, keep, dropped)
    text = _drop(text, limit, keep, dropped, _words_of("joints").__contains__)
    text = _drop(text, limit, keep, dropped, _anything)
    text = spell(text)
    count = tokens.count_text(text)
    if count <= limit:
        words = f"{tokens.count_text(prompt)} tokens become {count}, within the limit of {limit}."
    else:
        words = (
            f"The locked words alone take {count} tokens, so {limit} cannot be met: unlock some."
        )
    return Cut(text, count, limit, count <= limit, tuple(steps), tuple(dropped), words)


def _drop(
    text: str,
    limit: int,
    keep: tuple[str, ...],
    dropped: list[str],
    wanted: Callable[[str], bool],
) -> str:
    """Without words, from the end, until the limit is met or no such word is left."""
    position = len(text)
    while tokens.count_text(text) > limit:
        matches = [m for m in _WORD.finditer(text) if m.start() < position]
        if not matches:
            break
        match = matches[-1]
        position = match.start()
        word = match[0].lower().strip(_EDGES)
        if not wanted(word) or _is_locked(match[0], keep):
            continue
        tail = match[0][-1] if match[0][-1] in ".,;" and match.end() < len(text) else ""
        shorter = _tidy(text[: match.start()].rstrip() + tail + text[match.end() :])
        if (
            shorter
            and tokens.count_text(shorter) < tokens.count_text(text)
            and _safe(text, shorter, keep)
        ):
            dropped.append(match[0])
            text = shorter
            position = min(position, len(text))
    return text


def _anything(_word: str) -> bool:
    return True


def _drop_clauses(text: str, limit: int, keep: tuple[str, ...], dropped: list[str]) -> str:
    """Without whole sentences, then clauses, after the first, from the end: better than holes."""
    for split in (r"(?<=[.!?])\s+", r"(?<=[.,;!?])\s+"):
        while tokens.count_text(text) > limit:
            parts = re.split(split, text)
            for number in range(len(parts) - 1, 0, -1):
                rest = _without(parts, number)
                # A clause that overshoots by far is cut word by word instead.
                if tokens.count_text(rest) >= limit * 4 // 5 and _safe(text, rest, keep):
                    dropped.append(parts[number])
                    text = rest
                    break
            else:
                break
    return text


def _without(parts: list[str], number: int) -> str:
    """The parts but one; the mark that ended a sentence goes to the clause before it."""
    left = parts[:number]
    if parts[number][-1:] in {".", "!", "?"} and left[-1][-1:] in {",", ";"}:
        left[-1] = left[-1][:-1] + parts[number][-1]
    return _tidy(" ".join([*left, *parts[number + 1 :]]))
