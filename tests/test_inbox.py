"""Messages of a page arrive once and in order, whatever the way did to them."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.widgets.base import PageView
from playground.widgets.inbox import MOST_EARLY, Inbox


def numbered(number, sender="tab", **more):
    return {"do": "note", "posted": [sender, number], **more}


def taken(inbox, number, sender="tab"):
    return [message["posted"][1] for message, _ in inbox.take(numbered(number, sender), [])]


def test_a_message_that_comes_twice_is_taken_once_and_confirmed_twice():
    inbox = Inbox()
    assert taken(inbox, 1) == [1]
    assert inbox.heard() == {"tab": [1]}
    assert taken(inbox, 1) == []
    assert inbox.heard() == {"tab": [1]}
    assert inbox.heard() == {}


def test_one_that_overtakes_waits_and_is_confirmed_only_when_it_is_taken():
    inbox = Inbox()
    assert taken(inbox, 2) == []
    assert taken(inbox, 3) == []
    assert inbox.heard() == {}
    assert taken(inbox, 1) == [1, 2, 3]
    assert inbox.heard() == {"tab": [1, 2, 3]}


def test_tabs_do_not_wait_for_each_other():
    inbox = Inbox()
    assert taken(inbox, 1, "a") == [1]
    assert taken(inbox, 2, "b") == []
    assert taken(inbox, 2, "a") == [2]
    assert taken(inbox, 1, "b") == [1, 2]


def test_without_a_number_or_with_a_strange_one_a_message_is_taken_as_it_comes():
    inbox = Inbox()
    for strange in (
        {"do": "x"},
        numbered("1"),
        numbered(None),
        numbered(1, sender=3),
        {"posted": 3},
    ):
        assert inbox.take(strange, []) == [(strange, [])]
    assert inbox.heard() == {}


def test_what_waits_for_a_lost_message_is_bounded_and_nothing_is_lost_by_that():
    inbox = Inbox()
    for number in range(2, MOST_EARLY + 500):
        assert taken(inbox, number) == []
    assert taken(inbox, 1) == list(range(1, MOST_EARLY + 2))
    assert taken(inbox, MOST_EARLY + 2) == [MOST_EARLY + 2]


@given(st.integers(1, 30), st.randoms(use_true_random=False))
def test_any_way_that_delivers_each_at_least_once_delivers_all_in_order(count, chance):
    way = [*range(1, count + 1), *(chance.randint(1, count) for _ in range(count))]
    chance.shuffle(way)
    inbox = Inbox()
    assert [one for number in way for one in taken(inbox, number)] == list(range(1, count + 1))


class Heard(PageView):
    """A page that notes what it is told, and what it sends."""

    def __init__(self):
        self.sent, self.noted = [], []
        super().__init__()
        self.answers = {
            "note": lambda message: self.noted.append(message["posted"][1]),
            "fail": lambda message: 1 // 0,
            "ask": lambda message: self.send({"show": "answer"}),
        }

    def _send(self, content, buffers=None):
        if content["method"] == "custom":
            self.sent.append(content["content"])


def test_an_answer_confirms_and_where_none_is_due_a_message_of_its_own_does():
    page = Heard()
    page._receive(page, numbered(1) | {"do": "ask"}, [])
    page._receive(page, numbered(2), [])
    page._receive(page, numbered(2), [])
    assert page.sent == [
        {"show": "answer", "heard": {"tab": [1]}},
        {"show": "heard", "heard": {"tab": [2]}},
        {"show": "heard", "heard": {"tab": [2]}},
    ]
    assert page.noted == [2]


def test_one_that_fails_keeps_none_of_the_others_from_being_answered():
    page = Heard()
    page._receive(page, numbered(3), [])
    page._receive(page, numbered(2) | {"do": "fail"}, [])
    with pytest.raises(ZeroDivisionError):
        page._receive(page, numbered(1), [])
    page._receive(page, numbered(4), [])
    assert page.noted == [1, 3, 4]
    assert page.sent[-1]["heard"] == {"tab": [1, 2, 3, 4]}


def test_threads_that_receive_at_once_keep_the_order():
    page = Heard()
    numbers = list(range(1, 401))
    random.Random(7).shuffle(numbers)

    def receive(part):
        for number in part:
            page._receive(page, numbered(number), [])

    threads = [threading.Thread(target=receive, args=(numbers[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert page.noted == list(range(1, 401))
    confirmed = [number for content in page.sent for number in content["heard"]["tab"]]
    assert sorted(confirmed) == list(range(1, 401))
