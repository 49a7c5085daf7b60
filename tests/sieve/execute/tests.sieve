require ["vnd.dovecot.testsuite", "variables"];
set "kept" "from the script";
test "inside" { if not string "${kept}" "from the script" { test_fail "variable"; } }
if false { test_fail "never"; }
