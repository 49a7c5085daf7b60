"""explain - tells what a script did with one message and why: the part of `tamis sieve explain` that knows the engine.

    script = site.compiled(source, name, library, traced=True)
    told = explained(script, occasion, site, mailboxes)      # run: the script's plan and its trace
    text.lines(told, ...)  record.of(told)         # for people, for programs

Nothing is stored, sent or remembered.
"""
