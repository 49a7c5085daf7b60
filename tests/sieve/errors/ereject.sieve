require "reject";

ereject "No.";
