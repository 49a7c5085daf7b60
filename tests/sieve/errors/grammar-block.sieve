if true {
    keep
} else {
    discard;
}
redirect "a@example.com"
