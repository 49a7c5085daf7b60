if true {
    keep
}
discard;
