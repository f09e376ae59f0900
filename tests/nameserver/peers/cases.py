"""What NSD, Knot and BIND are asked about the zones beside this file."""

from typing import Final

TYPES: Final = (
    *(
        "A",
        "AAAA",
        "NS",
        "SOA",
        "MX",
        "TXT",
        "CNAME",
        "DNAME",
        "DS",
        "SRV",
        "DNSKEY",
        "ANY",
        "HTTPS",
        "RRSIG",
        "NSEC",
    ),
    *("TYPE65280", "TYPE65400"),
)
_LONG: Final = "d" * 60

NAMES: Final = f"""
    test. example.test. www.example.test. WWW.exAMple.TEST. nope.example.test. nope.test. a.nope.example.test.
    post.example.test. _tcp.example.test. _sip._tcp.example.test. ns1.example.test. unsigned.test. x.unsigned.test.
    alias.test. x.away.test. www.away.test. away.test. www.child.away.test. hidden.island.example.test.
    alias.example.test. alias2.example.test. out.example.test. toname.example.test. toent.example.test.
    tosub.example.test. tocut.example.test. tochild.example.test. toisland.example.test. towild.example.test.
    todname.example.test. toself.example.test. ring1.example.test. c1.example.test.
    dn.example.test. a.dn.example.test. b.dn.example.test. z.dn.example.test. dn.dn.example.test.
    q.w.dn.example.test. A.DN.example.test. dnout.example.test. x.dnout.example.test. x.dnsub.example.test.
    www.dnchild.example.test. q.dnwild.example.test. x.dnlong.example.test. {_LONG}.dnlong.example.test.
    {_LONG}.{_LONG}.dnlong.example.test. target.example.test. w.target.example.test. q.w.target.example.test.
    sub.example.test. x.sub.example.test. ns.sub.example.test. a.b.sub.example.test. sib.example.test.
    ns.sib.example.test. lame.example.test. deep.lame.example.test. ns.lame.example.test. ent2.example.test.
    x.ent2.example.test. y.x.ent2.example.test. child.example.test. www.child.example.test.
    nope.child.example.test. back.child.example.test. lower.child.example.test. x.lower.child.example.test.
    ns.child.example.test. a.b.child.example.test.
    ent.example.test. b.ent.example.test. a.b.ent.example.test. c.b.ent.example.test. c.ent.example.test.
    wild.example.test. *.wild.example.test. q.wild.example.test. q.r.wild.example.test. y.wild.example.test.
    x.y.wild.example.test. z.y.wild.example.test. q.*.wild.example.test. q.wildc.example.test.
    *.wildc.example.test. q.wildcout.example.test. q.wildloop.example.test. a.wildloop.example.test.
    q.wilddn.example.test. wstar.example.test. *.wstar.example.test. q.wstar.example.test. t.*.wstar.example.test.
    u.*.wstar.example.test. q.q.wstar.example.test. q.wild2.example.test. sub.q.wild2.example.test.
    sub.*.wild2.example.test. x.*.wild2.example.test. cut.wild2.example.test. x.cut.wild2.example.test.
    odd.example.test. \\000\\001.odd.example.test. \\000.odd.example.test. a\\.b.odd.example.test. a.b.odd.example.test.
    upper.odd.example.test. island.example.test. www.island.example.test. nope.island.example.test.
    moved.test. x.moved.test. x.y.moved.test. elsewhere.invalid. .
    post2.example.test. _udp.example.test. _sip._udp.example.test. ns2.child.example.test. crossring.example.test.
    crossring.child.example.test. star.example.test. q.star.example.test. *.star.example.test.
    q.q.star.example.test. given.star.example.test. www.given.star.example.test. nope.given.star.example.test.
    up.given.star.example.test. ns.given.star.example.test. under.star.example.test. www.under.star.example.test.
    nope.under.star.example.test. tounder.example.test. togiven.example.test. toungiven.example.test.
    www.dngiven.example.test. nope.dngiven.example.test. www.dnunder.example.test. dngiven.example.test.
    tomoved.example.test. tomovedapex.example.test. x.dnmoved.example.test. dnmoved.example.test.
    torenamed.example.test. www.dnrenamed.example.test. toparent.example.test. toparentcut.example.test.
    toparentmissing.example.test. selfdn.example.test. x.selfdn.example.test. updn.example.test.
    x.updn.example.test. y.x.updn.example.test. x.dnring1.example.test. a.dnchain1.example.test.
    nope.dnchain1.example.test. b.dnchain1.example.test.
    q.wilddname.example.test. a.q.wilddname.example.test.
    *.wilddname.example.test. a.*.wilddname.example.test. q.wildmx.example.test. q.wildany.example.test.
    *.wildany.example.test. entw.example.test. b.entw.example.test. q.b.entw.example.test. q.entw.example.test.
    l1.example.test. unknown.example.test. service.example.test. key.example.test.
    renamed.test. www.renamed.test. example.renamed.test. nope.renamed.test. a.dn.renamed.test.
    www.child.renamed.test. invalid. nope.moved.test. test.test. xn--nxasmq6b.example.test.
""".split()
