"""tamis - what the programs share: configuration, state, log, metrics, journal, checks, service life."""

__version__ = "0.1.0"
