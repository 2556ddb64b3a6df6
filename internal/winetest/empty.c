// A program that does nothing, to measure the time that wine needs to start a program.
int main(void) { return 0; }
