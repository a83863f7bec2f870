"""Archives that are captioned by a process of their own, which no closed tab ends.

    page ─► Desk ─► <gallery>/runs/<id>/  commands.jsonl ─► Worker ─► Archive ─► gallery, ledger
                                          status.json    ◄─┘

A job is a folder beside the gallery's originals: what is asked (`job.json`), what the worker was
told (`commands.jsonl`, only ever appended to) and how it goes (`status.json`, replaced some times
a second). So any page, in any kernel, shows the same run; a worker that was killed is started
again from its folder, and the ledger sees to it that nothing is paid twice. No key is written.
"""

from playground.jobs.desk import Desk, Job, Seen

__all__ = ["Desk", "Job", "Seen"]
