"""The page in a real browser: nothing is loaded, nothing is said on the console, folds open, paper shows everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from replay.report.page import page
from tests.replay import making
from tests.replay.hostile import hostile
from tests.replay.report import chromium
from tests.replay.report.chromium import Chromium
from tests.replay.told import subject

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if chromium.installed() is None:
        message = "the report is NOT TESTED in a browser: install Chromium ('apt-get install chromium', 'make browser')"
        if os.environ.get("BROWSER") == "needed":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    with Chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def opened(browser: Chromium, report: Path) -> Chromium:
    """The browser, on the report of a failed run, as wide as a screen."""
    browser.resize(1_100, 900)
    browser.media()
    browser.said.clear()
    browser.open(report)
    return browser


@pytest.fixture(scope="module")
def data() -> bytes:
    log = making.failures()
    return making.bundle(log, *list(making.runs(log))[4])


@pytest.fixture(scope="module")
def report(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(page(subject(data)))
    return path


def test_it_is_shown_and_nothing_else_is_loaded_or_said(opened: Chromium, report: Path) -> None:
    assert opened.evaluate("document.querySelector('h1').textContent").startswith("stage two: verify: ")
    assert opened.evaluate("getComputedStyle(document.querySelector('.failure')).borderLeftStyle") == "solid"
    assert opened.evaluate("document.querySelectorAll('svg.bar.failed').length") == 1
    assert opened.evaluate("document.querySelector('svg.bar.failed rect').getBoundingClientRect().width") > 100
    assert opened.said == [f"request: {report.as_uri()}"]


def test_its_policy_is_in_force(opened: Chromium) -> None:
    opened.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x.png><p style=color:red>')")
    opened.evaluate(
        "(s => { s.textContent = 'window.pwned = 1'; document.body.append(s) })(document.createElement('script'))"
    )
    assert opened.evaluate("window.pwned") is None
    refused = [one for one in opened.said if "Content Security Policy" in one]
    assert len(refused) == 3, opened.said


def test_folds_open_by_mouse_and_by_keyboard(opened: Chromium) -> None:
    fold = "#records ~ details"
    shown = f"document.querySelector('{fold} table').checkVisibility()"
    assert opened.evaluate(f"document.querySelector('{fold}').open") is False
    assert opened.evaluate(shown) is False
    opened.click(f"{fold} summary")
    assert opened.evaluate(f"document.querySelector('{fold}').open") is True
    assert opened.evaluate(shown) is True
    opened.evaluate(f"document.querySelector('{fold} summary').focus()")
    opened.press("Enter", code=13)
    assert opened.evaluate(f"document.querySelector('{fold}').open") is False
    assert opened.said[1:] == []


def test_the_keyboard_finds_the_way(opened: Chromium) -> None:
    opened.press("Tab", code=9)
    assert opened.evaluate("document.activeElement.className") == "skip"
    assert opened.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    opened.press("Enter", code=13)
    assert opened.evaluate("location.hash") == "#main"
    assert opened.evaluate("document.activeElement.id") == "main"
    opened.press("Tab", code=9)
    assert opened.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_phone_shows_it_without_scrolling_sideways(opened: Chromium, width: int) -> None:
    opened.resize(width, 800, mobile=True)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    # What is wider scrolls by itself, and can be reached by keyboard for that.
    assert opened.evaluate("[...document.querySelectorAll('.scroll,pre')].every(one => one.tabIndex === 0)")


def test_on_paper_every_fold_is_open(opened: Chromium) -> None:
    hidden = "[...document.querySelectorAll('details > *')].filter(one => !one.checkVisibility()).length"
    assert opened.evaluate(hidden) > 0
    opened.media("print")
    assert opened.evaluate(hidden) == 0
    assert opened.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert opened.pdf().startswith(b"%PDF-")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(opened: Chromium, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1 for text."""
    opened.media(scheme=scheme)
    found = opened.evaluate(_CONTRASTS)
    assert len(found) > 20
    low = [one for one in found if one[0] < 4.5]
    assert low == []


def test_an_attack_in_every_text_runs_nothing(browser: Chromium, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_bytes(page(subject(hostile(data))))
    browser.said.clear()
    browser.open(path)
    browser.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert browser.evaluate("window.pwned") is None
    assert browser.evaluate("document.querySelectorAll('script,img,iframe,object,embed,form,base,link').length") == 0
    assert browser.evaluate("document.body.textContent.includes('<script>window.pwned=1</script>')")
    assert browser.said == [f"request: {path.as_uri()}"]


def test_a_picture_of_it_is_no_blank(opened: Chromium) -> None:
    shot = opened.screenshot()
    assert shot.startswith(b"\x89PNG\r\n\x1a\n")
    assert 20_000 < len(shot) < 400_000


#: Contrast of each text with what is behind it, as [ratio, text].
_CONTRASTS = """
(() => {
  const parse = text => {
    const c = text.match(/[\\d.]+/g).map(Number);
    return [c[0], c[1], c[2], c.length > 3 ? c[3] : 1];
  };
  const linear = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 };
  const light = c => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
  const ground = one => {
    for (; one; one = one.parentElement) {
      const c = parse(getComputedStyle(one).backgroundColor);
      if (c[3] === 1) return c;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  for (const one of document.querySelectorAll('body *')) {
    const text = [...one.childNodes].filter(n => n.nodeType === 3 && n.data.trim()).map(n => n.data).join('');
    if (!text) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text.slice(0, 40)]);
  }
  return found;
})()
"""
