require "include";
include "validates-not";
