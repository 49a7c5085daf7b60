require "vnd.dovecot.testsuite";
if true { test_fail "on purpose"; }
discard;
