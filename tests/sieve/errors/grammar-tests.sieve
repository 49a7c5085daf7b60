if anyof (true, 3) { keep; }
if anyof (true false) { keep; }
if anyof () { keep; }
