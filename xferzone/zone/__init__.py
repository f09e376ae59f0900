"""What the artifacts mean: zones, their text, their history and their publication."""
