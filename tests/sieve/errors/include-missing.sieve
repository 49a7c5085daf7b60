require "include";
include "there-is-no-such-script";
