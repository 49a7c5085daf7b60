require "include";
keep;
nonsense;
