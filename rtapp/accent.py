"""The accent colour of a website's chat, as a style sheet in which every text can be read."""

from base64 import b64encode
from hashlib import sha256

from .contrast import ENOUGH
from .contrast import contrast
from .contrast import text_on

STEPS = 20  # from a colour to black or white
LIGHT, DARK = "#ffffff", "#171b21"  # the grounds of static/css/chat.css


def style_sheet(accent: str) -> str:
    """`--accent` with the text on it, and `--accent-text`, the nearest colour that can be read on
    the chat's ground. `accent` is `#rrggbb`."""
    return (
        f":root{{--accent:{accent};--on-accent:{text_on(accent)};"
        f"--accent-text:{readable(accent, LIGHT)}}}"
        f"@media(prefers-color-scheme:dark){{:root{{--accent-text:{readable(accent, DARK)}}}}}"
    )


def source(style_sheet: str) -> str:
    """The style sheet as a source of `style-src` (CSP Level 3, section 2.3.1)."""
    return f"'sha256-{b64encode(sha256(style_sheet.encode()).digest()).decode()}'"


def readable(colour: str, ground: str) -> str:
    """The colour nearest to this one, towards black or white, that can be read on the ground."""
    end = text_on(ground)
    mixed = (mix(colour, end, step / STEPS) for step in range(STEPS))
    return next((each for each in mixed if contrast(each, ground) >= ENOUGH), end)


def mix(colour: str, end: str, share: float) -> str:
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(end[1:]), strict=True)
    return "#" + "".join(f"{round(one + (other - one) * share):02x}" for one, other in pairs)
