"""The simulation: several repositories, a bad network, processes that die, and what must hold whatever happens.

    luck.py         one seed: every choice, and every fault by name
    process.py      a program on a node: its store, and its death at any statement or place
    network.py      carries bodies: late, twice, cut, flipped, or not at all
    node.py         a repository, its server, its clock
    acts.py         what people and programs do: edits, pushes, pulls, deletions, tags
    upkeep.py       what happens to the primary besides: rights change, a disk damages what it keeps, and is mended
    facts.py        what must hold after every step, at crashes and at rest
    world.py        a history: nodes, steps, then an end of all faults, after which all must be equal
    story.py        the trace, which reads like a story
    group/          the same of a group of primaries, which decide together

`python -m tests.simulation 100` runs 100 seeds of each kind at each of three levels of faults; docs/architecture.md
tells more.
"""
