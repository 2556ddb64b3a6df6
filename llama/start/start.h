// Results of the checks in start.c.

// The standard descriptors that were closed: bit n is descriptor n.
extern int infer_start_closed;

// The number of threads that could be started at once; 0: no limit is near.
extern int infer_start_threads;
