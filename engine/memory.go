package engine

// DefaultRetry is how a sink's work is tried again where its type says nothing.
var DefaultRetry = Retry{Attempts: 8, First: second, Max: 5 * 60 * second}

const second = 1e9
