require "include";
include "one-level";
include "parses-not";
