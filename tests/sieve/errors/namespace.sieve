require "variables";
set "nonsense.name" "x";
