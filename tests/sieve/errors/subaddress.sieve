require "subaddress";
if address :user :domain "from" "1" { discard; }
