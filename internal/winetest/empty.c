// A program that does nothing: what wine takes to start any.
int main(void) { return 0; }
