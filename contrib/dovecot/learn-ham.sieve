# learn-ham.sieve - a user has taken a message out of Junk: the spam filter learns that it is none.
# Run by Dovecot (imapsieve), not by Tamis: learning-2.3.conf, learning-2.4.conf.
require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables"];

# Who throws spam away does not say that it is none.
if environment :matches "imap.mailbox" "*" { set "to" "${1}"; }
if string "${to}" ["Trash", "Deleted Items", "Deleted Messages", "Junk"] { stop; }

pipe :copy :try "tamis-learn" ["ham"];
