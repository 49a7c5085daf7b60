require "vacation";
vacation :from "no address" "x";
