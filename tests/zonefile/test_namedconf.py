"""The grammar of named.conf."""

import pytest

from xferzone.zonefile.namedconf import MAX_DEPTH, Statement, parse

CONF = """\
// Debian's layout # no comment in a comment
options {
    directory "/var/cache/bind"; /* over
    two lines; { */ listen-on-v6 { any; };
};
zone "example.com" IN { type master; file "/etc/bind/db.example.com"; }; # behind
zone example.org{type primary;file "a b;{}.zone";};
"""


def test_words_blocks_and_comments() -> None:
    options, com, org = parse(CONF)
    assert options.words == ("options",)
    assert [each.words for each in options.block] == [("directory", "/var/cache/bind"), ("listen-on-v6",)]
    assert options.block[1].block == (Statement(("any",), (), 4),)
    assert (com.words, com.line) == (("zone", "example.com", "IN"), 6)
    assert [each.words for each in org.block] == [("type", "primary"), ("file", "a b;{}.zone")]
    assert parse("") == ()
    assert parse("acl x { !10.0.0.0/8; 2001:db8::/32; };")[0].block[0].words == ("!10.0.0.0/8",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("zone x {", "line 1: the file ends within a statement"),
        ("a;\nb", "line 2: the file ends within a statement"),
        ("a;\nb } c;", "line 2: a semicolon is missing"),
        ("a;\n}", "line 2: a } too many"),
        ('a;\n\nb "c', "line 3: a quote or comment is not closed"),
        ("/* ", "line 1: a quote or comment is not closed"),
        ("a {" * (MAX_DEPTH + 1), f"line 1: over {MAX_DEPTH} blocks within one another"),
    ],
)
def test_what_is_not_of_the_grammar_is_told_by_its_line(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}$"):
        parse(text)
