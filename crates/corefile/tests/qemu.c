// Crashes with known registers and says where: built for arm64, run by qemu.
#include <stdio.h>

extern char crash_here[];
char text[] = "found me";

int main(void) {
	printf("%p %p\n", (void *)crash_here, (void *)text);
	fflush(stdout);
	__asm__ volatile(
		"mov x0, #0x7770\n"
		"mov sp, x0\n"
		"mov x28, #0x2828\n"
		"mov x29, #0x2929\n"
		"mov x30, #0x3030\n"
		".globl crash_here\n"
		"crash_here: udf #0\n");
}
