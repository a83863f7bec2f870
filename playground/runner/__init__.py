"""Requests to outcomes: the one gate for money, single calls, and folders of photos."""

from playground.runner.archive import Archive
from playground.runner.booking import Labels, recover
from playground.runner.folder import caption_folder
from playground.runner.gate import CONSENT_DOLLARS, perform
from playground.runner.progress import Forecast, Newest, Progress, Reason
from playground.runner.results import Kept, Problem, Recovery, Result, Summary
from playground.runner.single import caps, caption, generate
from playground.runner.trial import Pair, Side, Trial

__all__ = [
    "CONSENT_DOLLARS",
    "Archive",
    "Forecast",
    "Kept",
    "Labels",
    "Newest",
    "Pair",
    "Problem",
    "Progress",
    "Reason",
    "Recovery",
    "Result",
    "Side",
    "Summary",
    "Trial",
    "caps",
    "caption",
    "caption_folder",
    "generate",
    "perform",
    "recover",
]
