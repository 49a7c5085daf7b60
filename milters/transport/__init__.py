"""transport - how sessions reach us: one file each, all behind `milters.session`."""
