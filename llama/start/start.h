// What the constructor found.

// The standard descriptors that were closed: bit n is descriptor n.
extern int infer_start_closed;

// The threads that could be started at once, up to the ones that were tried; 0: all of them.
extern int infer_start_threads;
