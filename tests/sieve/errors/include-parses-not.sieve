require "include";
include "parses-not";
