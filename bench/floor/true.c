// The program that everything here starts: static, so that it needs no file but itself.
int main(void) { return 0; }
