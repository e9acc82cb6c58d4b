"""Contrast between colours (WCAG 2.2, success criterion 1.4.3). A colour is `#rrggbb`."""

ENOUGH = 4.5  # of text that is not large
BLACK, WHITE = "#000000", "#ffffff"


def text_on(colour: str) -> str:
    """Black or white: that which has more contrast with the colour. One of them always has more
    than ENOUGH, as black on white has 21, and 4.5 * 4.5 is less."""
    return max((WHITE, BLACK), key=lambda text: contrast(text, colour))


def contrast(one: str, other: str) -> float:
    """The contrast ratio, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance, from 0 to 1."""
    red, green, blue = (linear(int(colour[n : n + 2], 16) / 255) for n in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(channel: float) -> float:
    return float(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)
