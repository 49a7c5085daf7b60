if size :over 18446744073709551616 { keep; }
if size :over 18014398509481984K { keep; }
