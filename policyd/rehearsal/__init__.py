"""rehearsal - the daemon's checks outside of the daemon, where nothing they do counts: `tamis policy`.

`judge` runs them, `watched` looks at them while they run, `state` copies the store, `requests` reads requests.
"""
