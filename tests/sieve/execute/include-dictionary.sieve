require "include";
include "stored";
