require "variables";
set :lower :upper "v" "x";
