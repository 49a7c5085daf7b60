require "vnd.dovecot.pipe"; pipe :copy "a";
