# nothing
if anyof (true, false) { keep; } # at all
