require "include";
include "validates-not";
frop;
