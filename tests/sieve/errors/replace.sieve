require "replace";

replace :from "no address at all <" "x";
