"""The simulation of a group: members that decide together, over the model of etcd (tests/refs/model.py).

member.py     a member: its server, its group program, its door to etcd
reaching.py   how members reach etcd and each other, and what goes wrong on the way
keys.py       the model, which tells of each move of a branch, and refuses nothing
facts.py      what must hold after every step and at rest, besides what holds of a primary
acts.py       what happens in a group besides edits and pushes
upheaval.py   what befalls the group itself, and what operators do about it
world.py      a history of three members and two clones
joint.py      the same, with commands that change several branches
directed.py   histories that are told beforehand
"""
