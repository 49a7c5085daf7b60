require "ihave";
if ihave "copy" { redirect :copy "a@example.com"; }
