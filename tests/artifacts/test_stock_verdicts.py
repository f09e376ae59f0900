"""Corners of the grammar that the vectors do not hold: whether stock takes them is asked of stock."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from xferzone.artifacts import parse

H, K, T40 = b"1" * 64, b"2" * 64, b"a" * 40
D = b"D 2024-05-06T07:08:09\n"
CD = b"C x\n" + D
WU = b"U me\nW 2\nhi\n"

TEXTS = [
    CD + b"P %s\nP %s\nU me\n" % (H, K),
    CD + b"P %s  %s\nU me\n" % (H, K),
    CD + b"N a\nN b\nU me\n",
    CD + b"N \nU me\n",
    CD + b"N\nU me\n",
    CD + b"Q +%s\nQ +%s\nU me\n" % (K, H),
    CD + b"Q +%s\nQ +%s\nU me\n" % (K, K),
    CD + b"Q +%s %s\nU me\n" % (K, H),
    CD + b"Q +%s zz\nU me\n" % K,
    CD + b"Q +%s \nU me\n" % K,
    CD + b"Q\nU me\n",
    CD + b"Q +\nU me\n",
    b"B %s\nB %s\n" % (H, K) + CD,
    b"B %s\n" % H + D,
    CD + D,
    b"C x\nD\nU me\n",
    b"C x\nD 2024-01-01 x\nU me\n",
    CD + b"U me\nU you\n",
    CD + b"U \n",
    CD + b"U a b\n",
    CD + b"R %s\nR %s\n" % (b"a" * 32, b"b" * 32),
    CD + b"R %s\n" % (b"A" * 32),
    CD + b"R %s\n" % (b"g" * 32),
    CD + b"F\n",
    CD + b"F  %s\n" % H,
    CD + b"F a\\0b %s\n" % H,
    CD + b"F a\\0b %s\nF a\\0c %s\n" % (H, H),
    CD + b"F a %s w /x\n" % H,
    CD + b"F a %s w \n" % H,
    CD + b"F a %s xl\n" % H,
    CD + b"F a %s\nF b %s\nF b %s\n" % (H, H, K),
    CD + b"F z %s\nF _FOSSIL_ %s\n" % (H, H),
    CD + b"F _FOSSIL_ %s\nF A %s\n" % (H, H),
    CD + b"F x/_FOSSIL_-WAL %s\nF A %s\n" % (H, H),
    CD + b"F x_FOSSIL_ %s\nF A %s\n" % (H, H),
    CD + b"F _FOSSIL_ %s\nF _FOSSIL_ %s\n" % (H, H),
    D + b"F _FOSSIL_ %s\nU me\n" % H,
    D + b"F a %s\n" % H,
    D + b"P\nU me\n",
    D + b"P %s\nU me\n" % H,
    D + b"N x\nU me\n",
    D + b"Q +%s\nU me\n" % H,
    b"B %s\n" % H + CD + b"F a  x\n",
    b"B %s\n" % H + CD + b"F a \n",
    CD + b"T\n",
    CD + b"T +x\n",
    CD + b"T +x * v w\n",
    CD + b"T +x * \n",
    CD + b"T +x *\nT +x %s\n" % H,
    CD + b"T +x %s\nT +x *\n" % H,
    CD + b"T +x %s\n" % (b"A" * 40),
    CD + b"T +a\\0x *\n",
    CD + b"T \\+x *\n",
    CD + b"T +a\\sz *\n",
    CD + b"T +DEADBEEF *\n",
    CD + b"T  *\n",
    CD + b"Z " + b"0" * 32 + b"\n",
    CD + b"Z " + b"g" * 32 + b"\n",
    CD + b"Z 00\n",
    CD + b"a x\n",
    CD + b"N\tx\n",
    b"C x\n\n" + D,
    b"C \n" + D + b"T +closed %s\nU me\n" % H,
    D + b"P\nT +closed %s\nU me\n" % H,
    D + b"N x\nT +closed %s\nU me\n" % H,
    D + b"L P\nU me\nW 2\nhi\nW 2\nhi\n",
    D + b"L P\nU me\nW \n\n",
    D + b"L P\nU me\nW 0\n\n",
    D + b"L P\nU me\nW 2x\nhi\n",
    D + b"L P\nU me\nW -2\nhi\n",
    D + b"L P\nU me\nW 99999999999\nhi\n",
    D + b"L P\nU me\nW\nhi\n",
    D + b"L P\nU me\nW 2 3\nhi\n",
    D + b"L P\nU me\nW 2\n\0\0\n",
    D + b"L P\nU me\nW 002\nhi\n",
    D + b"L P\nU me\nW 9\nhi\nZ 1\nZ\n",
    D + b"L P\nP %s %s\n" % (H, K) + WU,
    D + b"L P\nP\n" + WU,
    CD + b"L P\nN text/x\n" + WU,
    D + b"L P\nT +x *\n" + WU,
    D + b"L P\nL Q\n" + WU,
    D + b"L \\sP\n" + WU,
    D + b"L P\\s\n" + WU,
    D + b"L P\\s\\sx\n" + WU,
    D + b"L P\\tx\n" + WU,
    D + b"L P\x7fx\n" + WU,
    D + b"L \xff\n" + WU,
    D + b"L \n" + WU,
    D + b"L " + b"x" * 100 + b"\n" + WU,
    D + b"L a\\0\n" + WU,
    D + b"J title x\nJ status y\nK %s\nU me\n" % T40,
    D + b"J title x\nJ title y\nK %s\nU me\n" % T40,
    D + b"J +c x\nJ title\nK %s\nU me\n" % T40,
    D + b"J\nK %s\nU me\n" % T40,
    D + b"K %s\nU me\n" % T40,
    D + b"J a\nK %s\nU me\n" % (b"A" * 40),
    D + b"J a\nK %s\nU me\n" % (b"g" * 40),
    D + b"J a\nK %s\nK %s\nU me\n" % (T40, T40),
    D + b"J a\nU me\n",
    CD + b"J a\nK %s\nU me\n" % T40,
    b"A f Page %s\n" % H + D,
    b"A f Page\n" + D,
    b"A f Page \n" + D,
    b"A f Page zz\n" + D,
    b"A a/b Page\n" + D,
    b"A /b Page\n" + D,
    b"A f %s\n" % H + D,
    b"A f \\sx\n" + D,
    b"A f Page\nA g Page\n" + D,
    b"A f\n" + D,
    b"A f Page\n" + CD + b"N y\n",
    D + b"E 2024-05-06 %s\nP %s\nN text/x\nU me\nW 2\nhi\n" % (T40, H),
    D + b"E 2024-05-06 %s\nW 2\nhi\n" % H,
    D + b"E x %s\n" % T40 + WU,
    D + b"E 2024-05-06 zz\n" + WU,
    D + b"E 2024-05-06 %s\nT +x %s\n" % (T40, H) + WU,
    D + b"E 2024-05-06 %s\nT *x *\n" % T40 + WU,
    D + b"E 2024-05-06 %s\nT -x *\n" % T40 + WU,
    D + b"E 2024-05-06 %s\nT +x *\n" % T40 + WU,
    D + b"E 2024-05-06 %s\nE 2024-05-06 %s\n" % (H, H) + WU,
    CD + b"P %s\nN a\nU me\n" % H,
    D + b"H t\nI %s\n" % H + WU,
    D + b"G %s\nI %s\n" % (H, H) + WU,
    D + b"I %s\n" % H + WU,
    D + b"G %s\n" % H + WU,
    D + b"G %s\nH x\n" % H + WU,
    D + b"H x\nP %s %s\n" % (H, K) + WU,
    D + b"H \n" + WU,
    D + b"H\n" + WU,
    D + b"H a\nH b\n" + WU,
    D + b"H a\nU me\n",
    D + b"H x\nT +x *\n" + WU,
    D + b"G zz\n" + WU,
    D + WU,
    D + b"J a\nK %s\nL P\n" % T40 + WU,
    D + b"F a %s\nL P\n" % H + WU,
    D + b"L P\nQ +%s\n" % H + WU,
    CD + WU,
    b"M %s\nU me\n" % H,
    b"M %s\nM %s\n" % (b"A" * 40, T40),
    b"M %s\nM %s\n" % (b"1" * 40, H),
    b"M %s %s\n" % (b"1" * 40, K),
    b"M\nM %s\n" % H,
    b"M zz\n",
]


#: Around an artifact: how a clear-signed message begins, and what follows.
HEADS = [
    b"-----BEGIN PGP SIGNED MESSAGE-----\n\n",
    b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n",
    b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: a\nCharset: utf-8\r\n\n",
    b"-----BEGIN PGP SIGNED MESSAGE-----\n \n",
    b"-----BEGIN PGP SIGNED MESSAGE-----",
    b"\n-----BEGIN PGP SIGNED MESSAGE-----\n\n",
]
TAILS = [
    b"",
    b"-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n",
    b"-----BEGIN PGP SIGNATURE-----\r\nx\r\n",
    b"-----BEGIN PGP SIGNATURE-----\nx",
    b"\n-----BEGIN PGP SIGNATURE-----\nx\n",
    b"-----BEGIN PGP SIGNATURES\n",
    b"-----BEGIN PGP SIGNATURE-----\n\n-----BEGIN PGP SIGNATURE\n",
]
SIGNED = [CD + b"U me\n", D + b"T +x %s\nU me\n" % H, b"M %s\n" % H, D + b"L P\nU me\nW 4\na\n\nb\n"]


def _sealed(text: bytes) -> bytes:
    return text + b"Z " + hashlib.md5(text, usedforsecurity=False).hexdigest().encode() + b"\n"


@pytest.mark.interop
def test_stock_agrees_on_every_corner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "dev")
    repository, artifact = tmp_path / "r.fossil", tmp_path / "artifact"
    subprocess.run(["fossil", "new", str(repository)], check=True, capture_output=True)
    signed = [head + _sealed(text) + tail for head in HEADS for text in SIGNED for tail in TAILS]
    for text in [*map(_sealed, TEXTS), *signed]:
        artifact.write_bytes(text)
        command = ["fossil", "test-parse-manifest", str(artifact), "-R", str(repository)]
        said = subprocess.run(command, capture_output=True, check=False).stdout
        assert (parse(text) is not None) is (b"manifest_parse() worked" in said), text
