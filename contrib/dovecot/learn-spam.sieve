# learn-spam.sieve - a user has put a message into Junk: the spam filter learns from it.
# Run by Dovecot (imapsieve), not by Tamis: learning-2.3.conf, learning-2.4.conf.
require ["vnd.dovecot.pipe", "copy", "imapsieve"];

# :try: whether it is learned or not, the message is moved.
pipe :copy :try "tamis-learn" ["spam"];
