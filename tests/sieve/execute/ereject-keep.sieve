require "ereject";

keep;
ereject "No.";
