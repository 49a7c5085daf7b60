"""quarantine - where messages go that a check wants held: options, files, the mark of what was released, the keeper."""
