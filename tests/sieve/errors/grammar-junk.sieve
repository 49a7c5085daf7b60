keep;
@@ discard;
stop;
