redirect "this is no address";
