require "ihave";
redirect :copy "a@example.com";
