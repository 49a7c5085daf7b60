require "enotify";
notify "nonsense:a@example.com";
notify "mailto:no(address";
